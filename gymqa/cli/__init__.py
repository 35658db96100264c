"""The command line, which knows every folder; nothing imports it. Never in it: what another folder could hold."""
