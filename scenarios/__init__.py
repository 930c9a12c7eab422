"""Virtual time and worlds that are not real."""
