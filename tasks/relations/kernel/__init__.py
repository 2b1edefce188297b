"""Arrays in, arrays out: overlaps of samples, column maps, covers, chance."""
