"""Ranking on plain arrays."""
