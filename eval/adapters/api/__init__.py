"""Adapter `openai`: endpoints over HTTP, requests, replies. Never in it: torch, transformers, parsing."""
