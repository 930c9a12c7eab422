"""Put together, run, show: configuration, supervision, store, world and command line."""
