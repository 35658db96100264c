"""FineGym's studies of what recognizers see, as `gymqa study` runs them. Never in it: networks, metrics."""
