"""The commands of `gymqa`, one file each, named as the command. Never in it: more than options, calls and output."""
