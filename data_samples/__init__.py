"""Lakes to try lakebed on: a generated one with known truth, and an exporter of a real one."""
