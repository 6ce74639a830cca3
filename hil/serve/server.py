"""HTTP on this host: who is let in, what is answered, and with which headers.

Only what names this host by a name that is its own is answered: a page of somebody else's that has its own name point
at this address (DNS rebinding) could else read the history through the browser of whoever sits here. Nothing is
changed by any request, and pages may load nothing but their style sheet from here.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import BinaryIO, Final

from hil.history.database import HistoryError, looking_at
from hil.history.place import Place
from hil.serve import folders, frame
from hil.serve.asked import BadRequest, NotThere, asked
from hil.serve.pages import PAGES
from hil.serve.pages.runs import known
from hil.serve.view import View

OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this host is called by itself."""

REPORT: Final = "/run/report"

_PAGE: Final = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Content Security Policy (W3C, level 3) of the pages: no script at all, and nothing from elsewhere."""

_REPORT: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of a run's report, which brings a stricter one for its script. In the sandbox it is of no origin, whatever it is, and
can read none of these pages."""

_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


AGAIN: Final = "15"
"""Seconds after which a page that could not be read asks by itself again."""

_AGAIN: Final = f"This page asks again every {AGAIN} seconds."


class ServeError(ValueError):
    """It cannot be served. One line: what was found, what to do."""


class Server(ThreadingHTTPServer):
    """Serves the history at `place`; `names`: further names by which it may be asked for. Raises ServeError."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, place: Place, address: str, port: int, names: frozenset[str] = frozenset()) -> None:
        self.place = place
        self.names = OWN_NAMES | {address.lower()} | {name.lower() for name in names}
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            super().__init__((address, port), Handler)
        except OSError as error:
            raise ServeError(f"{address} port {port}: {_trouble(error)}") from None
        except OverflowError:
            raise ServeError(f"port: found {port}, expected 0 to 65535") from None

    @property
    def url(self) -> str:
        """Where the first page is."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is nothing to speak of."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _trouble(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; say --port N, or 0 for any that is free"
    return f"{error.strerror or error}; is it an address of this host, and may this user listen there?"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    server_version = "hil"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30.0

    def do_GET(self) -> None:
        """Answer with a page."""
        if not self._is_for_us():
            return
        try:
            self._answer()
        except BadRequest as error:
            self._say(HTTPStatus.BAD_REQUEST, "That cannot be asked for", str(error))
        except NotThere as error:
            self._say(HTTPStatus.NOT_FOUND, error.title, str(error))
        except HistoryError as error:
            again = {"Retry-After": AGAIN, "Refresh": AGAIN}
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "The history cannot be read", f"{error}. {_AGAIN}", **again)

    do_HEAD = do_GET

    def _refuse(self) -> None:
        if self._is_for_us():
            words = "These pages only show. What changes the quarantine list is the command `hil quarantine`."
            self.close_connection = True  # what it wanted to send is not read
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "Nothing can be changed here", words, Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _is_for_us(self) -> bool:
        """Whether Host names this host (RFC 9110, section 7.2); if not, it is refused."""
        found = self.headers.get_all("Host") or []
        if len(found) == 1 and _name(found[0]) in self.server.names:
            return True
        words = (
            f"Host: found {', '.join(found)[:200] or 'nothing'}, expected {' or '.join(sorted(self.server.names))}; "
            "if this is a name of this host that you trust, say: hil serve --name NAME"
        )
        self.close_connection = True
        self._say(HTTPStatus.MISDIRECTED_REQUEST, "This is not that host", words)
        return False

    def _answer(self) -> None:
        found = asked(self.path)
        if found.path == frame.STYLE:
            self._send(HTTPStatus.OK, frame.style().encode(), "text/css; charset=utf-8")
            return
        if found.path not in PAGES and found.path != REPORT:
            raise NotThere(f"There is no page {found.path[:200]!r}.")
        with looking_at(self.server.place) as connection:
            view = View(found, connection, self.server.place.shown)
            if found.path == REPORT:
                self._send_report(view)
            else:
                text = PAGES[found.path](view)
                self._send(HTTPStatus.OK, text.encode("utf-8", "replace"))

    def _send_report(self, view: View) -> None:
        run = known(view, view.asked.needed("key"))
        file = folders.report(run)
        if file is None:
            raise NotThere(f"There is no report of this run on this host; see {run.artifacts}, or hil report.")
        with file:
            self._stream(file)

    def _stream(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        self._head(HTTPStatus.OK, size, "text/html; charset=utf-8", _REPORT)
        if self.command != "HEAD":
            shutil.copyfileobj(file, self.wfile)

    def _say(self, status: HTTPStatus, title: str, words: str, **headers: str) -> None:
        self._send(status, frame.notice(title, words).encode("utf-8", "replace"), **headers)

    def _send(self, status: HTTPStatus, body: bytes, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        self._head(status, len(body), kind, _PAGE, **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, size: int, kind: str, policy: str, **headers: str) -> None:
        self.send_response(status)
        told = {"Content-Type": kind, "Content-Length": str(size), "Content-Security-Policy": policy}
        for name, value in {**told, **_HEADERS, **headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """No line for each request: the terminal is for what is wrong."""


def _name(host: str) -> str:
    """The name in a Host header, without its port; '' for what is none."""
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and (not port or port[0] == ":") else ""
    return host.partition(":")[0].removesuffix(".")


def is_loopback(address: str) -> bool:
    """Whether only programs of this host reach it."""
    with contextlib.suppress(ValueError):
        return ip_address(address).is_loopback
    return address.lower() == "localhost"
