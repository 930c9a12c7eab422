"""What is seen of a target: when to look, what a sample means, and the picture of it all."""
