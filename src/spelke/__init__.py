"""Spelke finds the things in a picture: what moves together when something is pushed."""
