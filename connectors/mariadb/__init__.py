"""Databases of MariaDB and MySQL as sources of tables: what there is, whether it changed, its rows; without Java."""
