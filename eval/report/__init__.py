"""The leaderboard report: page, analyses, plots, tables, upload. Never in it: scores computed anew."""
