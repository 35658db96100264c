"""Multiple-choice questions: schema, builders, validation, shortcut statistics, scoring. Never in it: pixels, torch."""
