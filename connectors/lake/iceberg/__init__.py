"""Iceberg tables, read from their own metadata: format versions 1, 2 and 3 with Parquet files."""
