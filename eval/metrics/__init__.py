"""Scores of predictions: accuracy, mAP, calibration, minimal pairs. Never in it: intervals and tests."""
