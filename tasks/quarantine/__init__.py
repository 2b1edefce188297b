"""Quarantine: tables set aside, brought back, or deleted after their time; every step journalled."""
