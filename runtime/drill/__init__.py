"""Drills: faults on real processes that mendel runs, to see whether it heals them."""
