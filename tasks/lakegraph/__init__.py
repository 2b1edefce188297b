"""The lake as a graph of tables, columns and values, or any edge table of it."""
