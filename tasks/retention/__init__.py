"""What to keep, how to rebuild the rest, and how to undo it."""
