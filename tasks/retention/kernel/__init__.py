"""The model of what to keep, and its solvers: arrays in, arrays out."""
