"""Arrays in, arrays out: merging, re-encoding, decoding and products on a summary."""
