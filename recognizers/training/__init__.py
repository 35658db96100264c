"""Training of recognizers: loop, clips, optimizer, checkpoints, validation, log. Never in it: losses of algorithms."""
