"""Reading and writing files, and the terminal. Never in it: anything that knows a video, a label or a question."""
