"""Arrays in, arrays out: splits, scores, metrics, topology, and the training of the networks."""
