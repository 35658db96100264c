"""FineGym's studies of what recognizers see, on any release of its format: the parts of `gymqa study`."""
