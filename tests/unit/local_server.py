"""A web server on this machine, for tests of downloads."""

import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; with `ranges` it honours Range. `sent` counts the bytes of answers to GET."""

    def __init__(self, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = ranges
        self.sent = 0
        self.counting = threading.Lock()
        self.etag = ""
        self.cut: int | None = None  # the connection breaks after so many bytes

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        first, last = 0, len(content) - 1
        wanted = self.headers.get("Range") if self.server.ranges else None
        if wanted:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end), last)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if body:
            sent = content[first : last + 1][: self.server.cut]
            with self.server.counting:  # before they leave: the client may ask as soon as it has them all
                self.server.sent += len(sent)
            self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        pass
