"""The canonical row encoding: injective words per cell, keyed 128-bit hashes per cell and row."""
