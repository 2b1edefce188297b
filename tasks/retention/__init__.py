"""Retention: which tables to keep, which to delete, and how the deleted are rebuilt."""
