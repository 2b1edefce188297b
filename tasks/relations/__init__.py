"""Relations beyond containment in one table: unions, parts, renamed columns, near misses."""
