"""Breeds configurations out of the incidents that were seen."""
