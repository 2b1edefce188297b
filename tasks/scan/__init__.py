"""The scan engine: tasks of one kind, done by worker functions, here or in Spark; what comes back are record batches."""
