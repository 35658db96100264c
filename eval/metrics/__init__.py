"""Metrics of predictions: accuracy, mAP, calibration, position bias, minimal pairs. Never in it: resampling."""
