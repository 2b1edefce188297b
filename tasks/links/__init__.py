"""A link predictor that says how good it is: a ladder of rungs from common neighbours to a stack with a GNN."""
