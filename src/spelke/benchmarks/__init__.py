"""Predictions into numbers: the published metrics, baselines and held-out test sets."""
