"""Pictures for people: every function returns a `(height, width, 3)` uint8 RGB array."""
