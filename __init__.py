"""mendel heals running systems: it watches, isolates, recovers, verifies and learns."""
