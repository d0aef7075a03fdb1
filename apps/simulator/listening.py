"""The simulated bank's HTTP side, on this machine only. It believes whoever calls: a sandbox has no secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

import structlog

from apps.payments.public import formats
from apps.simulator.processor_http import NotAwake, Spoken

__all__ = ["NotAwake", "Server", "listening"]

PATHS = frozenset({"/sepa_inst", "/fednow", "/payee_verification"})
CARDS = "/card_processor"
BYTES_MAX = 256 * 1024
SILENCE_S = 60.0
"""How long a call that gets no answer is left waiting; the caller gives up before."""
_log = structlog.get_logger("bezant.simulator")


class Server(Protocol):
    """Whoever answers calls."""

    def serve(self, path: str, body: bytes) -> bytes | None:
        """Answer, or None for silence."""
        ...

    def serve_cards(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Spoken | None:
        """Answer for the card processor, or None when the answer gets lost. Raises NotAwake."""
        ...


@contextmanager
def listening(server: Server, *, port: int, stop: threading.Event) -> Iterator[int]:
    """Answer calls at a port of 127.0.0.1 while the block runs; yield the port. Nothing with port 0."""
    if not port:
        yield 0
        return
    handler = type("_Handler", (_Handler,), {"bank": server, "stop": stop})
    listener = ThreadingHTTPServer(("127.0.0.1", port), handler)
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, name="bank", daemon=True)
    thread.start()
    try:
        yield listener.server_address[1]
    finally:
        listener.shutdown()
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    bank: ClassVar[Server]
    stop: ClassVar[threading.Event]
    timeout = 10
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "bank", ""

    def do_POST(self) -> None:
        """Answer one call."""
        length = self.headers.get("Content-Length", "")
        if self.path not in PATHS and not self.path.startswith(CARDS):
            return self._say(404, b"")
        if not length.isascii() or not length.isdigit() or int(length) > BYTES_MAX:
            return self._say(413, b"")
        if self.path.startswith(CARDS):
            return self._cards("POST", self.rfile.read(int(length)))
        try:
            answer = self.bank.serve(self.path, self.rfile.read(int(length)))
        except NotAwake:
            return self._say(503, b"")
        except formats.FormatError as error:
            _log.warning("call refused", path=self.path, reason=error.code)
            return self._say(400, b"")
        except (ValueError, LookupError, TypeError):
            return self._say(400, b"")
        if answer is None:
            self.stop.wait(SILENCE_S)
            self.close_connection = True
            return None
        return self._say(200, answer)

    def do_GET(self) -> None:
        """Answer an inquiry about a card, or show the page where a payer authenticates."""
        if self.path.startswith(CARDS):
            self._cards("GET", b"")
        else:
            self._say(404, b"")

    def _cards(self, method: str, body: bytes) -> None:
        try:
            said = self.bank.serve_cards(method, self.path.removeprefix(CARDS), dict(self.headers), body)
        except NotAwake:
            return self._say(503, b"{}")
        if said is None:
            self.close_connection = True  # lost: the connection just ends
            return None
        return self._say(said.status, said.body, said.kind)

    def _say(self, status: int, body: bytes, kind: str = "") -> None:
        self.send_response(status)
        known = "application/xml" if body[:1] == b"<" else "application/json"
        self.send_header("Content-Type", kind or known)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the callers' own log has it."""
