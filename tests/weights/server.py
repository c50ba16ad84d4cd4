"""A web server on this machine that behaves as a good one, or as badly as a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shelf:
    """What the server gives, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = '"one"'
    """The version of every file; "" sends none."""
    date: str = ""
    """Last-Modified; "" sends none."""
    ranges: bool = True
    """Whether it continues a file."""
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off."""
    errors: list[int] = field(default_factory=list)
    """Status of the next answers."""
    claims: int | None = None
    """Size that it says, in the place of the true one."""
    shift: int = 0
    """Bytes by which it continues at the wrong place."""
    redirect: str = ""
    address: str = ""
    asked: list[str] = field(default_factory=list)
    """The Range of each request, "" for the whole."""


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        shelf = self.shelf
        wanted = self.headers.get("Range", "")
        shelf.asked.append(wanted)
        data = shelf.files.get(self.path.lstrip("/"))
        if shelf.errors:
            self.send_error(shelf.errors.pop(0))
        elif shelf.redirect:
            self.send_response(302)
            self.send_header("Location", shelf.redirect)
            self.end_headers()
        elif data is None:
            self.send_error(404)
        else:
            self._give(data, wanted)

    def _give(self, data: bytes, wanted: str) -> None:
        shelf = self.shelf
        fresh = self.headers.get("If-Range") in (shelf.tag, shelf.date)
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if wanted and fresh else 0
        start = start if shelf.ranges else 0
        if start >= len(data) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            at = start + shelf.shift
            self.send_header("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")
        for name, value in (("ETag", shelf.tag), ("Last-Modified", shelf.date)):
            if value:
                self.send_header(name, value)
        size = len(data) if shelf.claims is None else shelf.claims
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        stop = shelf.breaks_after.pop(0) if shelf.breaks_after else len(data)
        self.wfile.write(data[start : start + stop])


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


@contextmanager
def serve() -> Iterator[Shelf]:
    """A server that runs inside the block."""
    shelf = Shelf()
    handler = type("Handler", (_Handler,), {"shelf": shelf})
    server = _Server(("127.0.0.1", 0), handler)
    shelf.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
