"""Arrays to token sequences and back. Pure functions."""
