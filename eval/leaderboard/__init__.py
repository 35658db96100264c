"""The leaderboard's rows: entries, schema, order. Never in it: HTML."""
