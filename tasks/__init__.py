"""The stages of the chain, one folder each, and the runtime that they share."""
