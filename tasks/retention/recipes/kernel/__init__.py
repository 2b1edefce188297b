"""Finding selectors on row hashes and column values: arrays in, frozen dataclasses out."""
