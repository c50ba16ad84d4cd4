"""Batches to better weights: samples, losses, the loop, and recipes that are functions."""
