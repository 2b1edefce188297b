"""Pure algorithms of the lake graph."""
