"""Commands that create, import and publish data: releases, splits, caches, questions. Never in it: models."""
