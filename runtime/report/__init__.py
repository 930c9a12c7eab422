"""Reports of replays: one HTML file that needs nothing else to be read."""
