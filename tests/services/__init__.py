"""Real servers for the tests, on loopback: installed where that is allowed, started, and ended with their test."""
