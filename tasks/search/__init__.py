"""Answers to "what is like this table", "what joins with this column", "where is this text", each with why."""
