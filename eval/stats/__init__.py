"""Cluster-robust (by video) confidence intervals and significance tests. Never in it: definitions of metrics."""
