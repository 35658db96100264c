"""2-D image networks that recognizers are built on or inflated from. Never in it: networks with a time axis."""
