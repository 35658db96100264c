"""Readers of other labelled video data sets (UCF101, HMDB51, …): official files. Never in it: FineGym, pixels."""
