"""CSV and JSON lines: sniffed, typed, and staged as Parquet in one pass."""
