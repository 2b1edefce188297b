"""Pure algorithms of the search for keys."""
