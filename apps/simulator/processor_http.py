"""The card processor on HTTP: its API, the page where a payer authenticates, and its signed webhooks.

For this machine alone. Webhooks are signed as Standard Webhooks says, by code of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from apps.simulator.processor import Processor, Reply, Told

BODY_BYTES_MAX = 64 * 1024
DELIVERY_TIMEOUT_S = 5.0
_PAGE = (
    "<!doctype html><title>Authenticate</title><h1>Your bank asks: is this you?</h1>"
    '<form method="post"><button name="outcome" value="yes">Yes</button> '
    '<button name="outcome" value="no">No</button></form>'
)


class NotAwake(Exception):
    """The sandbox is not loaded yet."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant's events go, and the secret they are signed with."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """An HTTP answer."""

    status: int
    body: bytes
    kind: str = "application/json"


class Desk:
    """Answers HTTP requests for a processor, one at a time."""

    def __init__(
        self,
        processor: Processor,
        *,
        api_key: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.processor, self.api_key, self.now = processor, api_key, now
        self.lock = threading.Lock()
        self.calls: list[str] = []

    def serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Spoken | None:
        """Answer a request, or return None when the answer gets lost."""
        with self.lock:
            if path.startswith("/pay/"):
                return self._page(method, path.removeprefix("/pay/"), body)
            reply = self._answer(method, path, headers, body)
        return None if reply.lost else Spoken(reply.status, json.dumps(reply.data).encode())

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        given = headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.api_key}".encode()):
            return Reply(401, {"code": "unauthorised"})
        self.calls.append(f"{method} {path}")
        if method == "GET":
            return self.processor.get(path, at=self.now())
        try:
            data = json.loads(body)
            return self.processor.post(path, data, key=headers.get("Idempotency-Key", ""), at=self.now())
        except (ValueError, KeyError, TypeError, AttributeError):
            return Reply(400, {"code": "bad_request"})

    def _page(self, method: str, authorisation: str, body: bytes) -> Spoken:
        if method == "GET":
            return Spoken(200, _PAGE.encode(), "text/html; charset=utf-8")
        done = self.processor.complete_action(authorisation, succeeded=b"outcome=yes" in body, at=self.now())
        return Spoken(200 if done else 404, b"Thank you." if done else b"Nothing to do.", "text/plain")


class ProcessorServer:
    """Serves a processor on a port of this machine until stopped."""

    def __init__(self, processor: Processor, *, api_key: str, port: int = 0) -> None:
        self.processor, self.desk = processor, Desk(processor, api_key=api_key)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self.desk))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        processor.base_url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, name="processor", daemon=True)

    def start(self) -> ProcessorServer:
        """Serve in a thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            self._say(desk.serve("GET", self.path, dict(self.headers), b""))

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > BODY_BYTES_MAX:
                self._say(Spoken(413, b"{}"))
                return
            self._say(desk.serve("POST", self.path, dict(self.headers), self.rfile.read(int(length))))

        def _say(self, spoken: Spoken | None) -> None:
            if spoken is None:
                self.close_connection = True  # the answer is lost: the connection just ends
                return
            self.send_response(spoken.status)
            self.send_header("Content-Type", spoken.kind)
            self.send_header("Content-Length", str(len(spoken.body)))
            self.end_headers()
            self.wfile.write(spoken.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: requests hold tokens."""

    return Handler


def signed(event: Told, secret: str, *, at: datetime) -> tuple[bytes, dict[str, str]]:
    """Return an event's body and headers, signed as Standard Webhooks 1.0 says."""
    body = json.dumps({"type": event.type, "timestamp": event.at.isoformat(), "data": event.data}).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    timestamp = str(int(at.timestamp()))
    mac = hmac.new(key, f"{event.id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    return body, headers


def deliver(event: Told, endpoint: Endpoint, *, at: datetime) -> bool:
    """Post an event to its merchant's endpoint. Returns whether it was taken."""
    body, headers = signed(event, endpoint.secret, at=at)
    request = Request(endpoint.url, data=body, headers=headers, method="POST")  # noqa: S310  # the sandbox's own
    try:
        with urlopen(request, timeout=DELIVERY_TIMEOUT_S) as answer:  # noqa: S310
            return 200 <= answer.status < 300
    except (HTTPError, URLError, OSError):
        return False
