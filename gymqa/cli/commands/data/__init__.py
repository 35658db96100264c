"""Commands that make, read and publish data: releases, splits, caches, questions. Never in it: models."""
