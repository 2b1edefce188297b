"""Keys: which columns identify rows, and which refer to them."""
