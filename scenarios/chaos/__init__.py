"""Faults on real processes and connections, as `mendel drill` makes them."""
