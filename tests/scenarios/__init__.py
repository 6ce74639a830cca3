"""Scenarios: each judges a board, real or virtual, by its broker-side behaviour."""
