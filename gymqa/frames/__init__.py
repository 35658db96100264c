"""Decoding, sampling and caching of frames, optical flow and poses; controls. Never in it: networks, questions."""
