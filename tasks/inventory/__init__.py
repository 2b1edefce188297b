"""What the lake holds: tables, columns, files, statistics."""
