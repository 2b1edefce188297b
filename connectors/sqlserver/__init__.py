"""Databases of Microsoft SQL Server as sources of tables: what there is, its rows; without Java."""
