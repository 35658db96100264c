"""Backbones: a registry and one family a file."""
