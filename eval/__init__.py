"""Asks models the questions, scores the answers, and shows a leaderboard; imports gymqa only."""
