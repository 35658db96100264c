"""The command line, the top layer: it may import every folder, none imports it. Never in it: reusable functionality."""
