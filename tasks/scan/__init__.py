"""The scan engine: worker functions do tasks of one kind, here or in Spark, and answer by record batches."""
