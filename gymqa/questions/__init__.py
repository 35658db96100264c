"""Multiple-choice questions: schema, building, validation, shortcuts, scoring. Never in it: pixels, models, torch."""
