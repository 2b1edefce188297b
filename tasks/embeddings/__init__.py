"""A vector for every node of a graph, by random projection of its surroundings."""
