"""Lake sources: what lies under a lake's root, what of it is a table, and how its rows are read."""
