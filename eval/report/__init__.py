"""The static leaderboard page: its template and what fills it."""
