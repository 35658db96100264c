"""Other data sets of labelled videos, read from their official files into gymqa's clips and lists."""
