"""Arrays in, arrays out: projections, powers of the transition matrix and their sum."""
