"""Asks models the questions, scores the answers, shows a leaderboard. Never in it: training."""
