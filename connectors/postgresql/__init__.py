"""PostgreSQL databases as sources of tables: what there is, whether it changed, how it is read."""
