"""Which tables are contained in which others, and the proof: R2D2's three steps, then an exact tier."""
