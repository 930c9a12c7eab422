"""A payment service, as small as it can be: it answers on the port that it is given."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Payment(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        """Answer; the process number shows who it was."""
        body = json.dumps({"paid": True, "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  Its name there.
        """Keep quiet; a service that is asked five times a second fills any log."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Payment).serve_forever()
