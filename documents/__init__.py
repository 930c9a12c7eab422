"""Files that people write, read so that every mistake is shown with its place."""
