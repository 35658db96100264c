"""The leaderboard report: secondary analyses, page, plots, tables, upload. Never in it: definitions of metrics."""
