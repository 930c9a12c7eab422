"""When calls may pass: circuits, limits, retries, and all of them for a fleet of replicas."""
