"""Nearest neighbours on plain arrays: exact search, twins, HNSW, the width of its search."""
