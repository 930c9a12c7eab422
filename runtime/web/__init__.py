"""The door for browsers and for programs of other languages: a page, an HTTP API, a stream."""
