"""The topics stage: which tables belong together, as a tree, and how each group is called."""
