"""Lossless hierarchical summaries of graphs: SLUGGER's model, an exact re-encoder, and products on the summary."""
