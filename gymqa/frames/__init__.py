"""Decode, sample and cache frames, optical flow and poses; control conditions. Never in it: networks, questions."""
