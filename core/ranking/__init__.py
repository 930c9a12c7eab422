"""Which action is worth trying first, by experience and by what the field knows."""
