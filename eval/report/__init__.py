"""The static leaderboard page: templates, plots, tables. Never in it: scores computed anew."""
