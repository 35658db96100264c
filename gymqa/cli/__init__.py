"""The command line, the roof that knows every folder; imported by nothing. Never in it: what another folder could hold."""
