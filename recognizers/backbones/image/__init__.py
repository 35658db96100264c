"""Image networks that recognizers are built on or inflated from. Never in it: anything with a time axis."""
