"""Multiple-choice answering by likelihood of the choices, with shared prompt prefixes. Never in it: metrics."""
