"""Whether a metric is as it should be, and where it is going."""
