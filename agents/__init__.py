"""Actors: they receive, ask the core and carry out its wishes."""
