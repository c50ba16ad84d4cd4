"""Pokes to displacement to correlation to segment; affordance; zoom; the whole scene."""
