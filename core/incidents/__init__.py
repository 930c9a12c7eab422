"""Incidents from the first sign to the proof that they are over, and the book of them all."""
