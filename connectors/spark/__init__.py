"""The Spark session: pins, jars, start-up, and the Python workers."""
