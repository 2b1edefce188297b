"""The algorithms of the containment stage on plain arrays: schema graph, min-max, proof, chance."""
