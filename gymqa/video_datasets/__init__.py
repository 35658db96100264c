"""Other data sets of labelled videos, read from their official files. Never in it: FineGym, pixels."""
