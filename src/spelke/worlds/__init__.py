"""Scenes whose physics we know: laid out, settled, rendered, poked, with exact truth."""
