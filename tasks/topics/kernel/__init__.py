"""The algorithms of the topics stage: arrays in, arrays out."""
