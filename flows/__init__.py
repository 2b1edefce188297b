"""The chain as a Prefect flow, and the console script: the outermost layer."""
