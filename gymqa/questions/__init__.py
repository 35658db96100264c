"""Multiple-choice questions: schema, builders, files, validation, shortcut statistics. Never in it: pixels, torch."""
