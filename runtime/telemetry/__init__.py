"""What mendel tells monitoring systems of itself and of its success."""
