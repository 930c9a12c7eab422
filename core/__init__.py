"""Every decision, once: pure, without clock, event loop, randomness or logging."""
