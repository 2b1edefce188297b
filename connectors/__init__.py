"""Everything that touches the outside: the lake, Spark, Delta, storage, and the errors they raise."""
