"""One POST to one endpoint, by aiohttp: no redirects, no cookies, no proxy from the environment, no surprise."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp

from apps.webhooks import metrics
from apps.webhooks.domain.addresses import BadUrl, check_url, is_allowed_address
from apps.webhooks.domain.outcome import Answer

CONNECT_S, TOTAL_S = 5.0, 15.0  # the latter where no deployment says another (WEBHOOK_TIMEOUT_S)
RESPONSE_BYTES_KEPT = 16 * 1024

# The sockets of one request: happy eyeballs may open them in tasks of their own, which share this list.
_dialled: ContextVar[list[str]] = ContextVar("dialled")


class ForbiddenAddress(OSError):
    """The name points to an address that webhooks are not sent to."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to post. Changing any of it makes another target, and so another connection."""

    url: str
    client_certificate: str = ""
    server_ca: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an attempt brought: the answer, its body (cut), how long it took, and the address dialled."""

    answer: Answer
    body: bytes
    took_ms: int
    address: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a request to a provider's API brought: the answer, its whole body, and its Link header."""

    answer: Answer
    content: bytes = b""
    link: str = ""


class Sender:
    """A pool of connections for one event loop. Use as an asynchronous context manager."""

    def __init__(
        self,
        *,
        allow_local: bool = False,
        proxy: str = "",
        total_s: float = TOTAL_S,
        in_flight_max: int = 500,
        resolver: aiohttp.abc.AbstractResolver | None = None,
    ) -> None:
        self._allow_local, self._proxy, self._total_s = allow_local, proxy or None, total_s
        self._in_flight_max, self._resolver = in_flight_max, resolver
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}
        self._latest_address: dict[str, str] = {}

    async def __aenter__(self) -> Sender:
        connector = aiohttp.TCPConnector(
            limit=self._in_flight_max,
            ttl_dns_cache=10,
            resolver=self._resolver,
            socket_factory=None if self._allow_local or self._proxy else self._guarded_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._total_s, sock_connect=min(CONNECT_S, self._total_s)),
            headers={"User-Agent": "Bezant-Webhooks/1", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, target: Target, *, headers: dict[str, str], body: bytes) -> Reply:
        """Post once and say what came of it. Raises nothing that a receiver could cause."""
        started = time.perf_counter()
        dialled: list[str] = []
        _dialled.set(dialled)
        content = b""
        try:
            check_url(target.url, allow_local=self._allow_local)
            async with self._session.post(
                target.url,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._context(target),
            ) as response:
                content = await _read_some(response)
                answer = Answer(response.status, retry_after=response.headers.get("Retry-After", "")[:100])
        except BadUrl as refusal:
            metrics.REFUSED_ADDRESSES.inc()
            answer = Answer(None, f"refused_url_{refusal.facts['reason']}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            answer = Answer(None, _code(error))
        address = self._address(target.url, dialled)
        return Reply(answer, content, int((time.perf_counter() - started) * 1000), address)

    async def fetch(
        self, url: str, *, headers: dict[str, str], bytes_max: int, body: bytes | None = None
    ) -> Fetched:
        """GET (or POST a body) once, under the same guards, and read up to `bytes_max`.

        Raises nothing a server could cause.
        """
        try:
            check_url(url, allow_local=self._allow_local)
            async with self._session.request(
                "GET" if body is None else "POST",
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                content = await response.content.read(bytes_max + 1)
                while len(content) <= bytes_max and (chunk := await response.content.read(bytes_max + 1)):
                    content += chunk
                if len(content) > bytes_max:
                    return Fetched(Answer(None, "answer_too_large"))
                return Fetched(Answer(response.status), content, response.headers.get("Link", "")[:4_000])
        except BadUrl as refusal:
            return Fetched(Answer(None, f"refused_url_{refusal.facts['reason']}"))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Fetched(Answer(None, _code(error)))

    def _guarded_socket(self, address_info: Any) -> socket.socket:
        """Open a socket for the very address that is dialled next. Raises ForbiddenAddress."""
        family, kind, protocol, _, address = address_info
        if not is_allowed_address(address[0]):
            metrics.REFUSED_ADDRESSES.inc()
            raise ForbiddenAddress(f"{address[0]} is not public")
        _dialled.get([]).append(address[0])
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    def _address(self, url: str, dialled: list[str]) -> str:
        if dialled:
            if len(self._latest_address) > 10_000:
                self._latest_address.clear()
            self._latest_address[url] = dialled[-1]
        return self._latest_address.get(url, "")

    def _context(self, target: Target) -> ssl.SSLContext | bool:
        if not target.client_certificate and not target.server_ca:
            return True
        key = (target.client_certificate, target.server_ca)
        if key not in self._contexts:
            context = ssl.create_default_context(cadata=target.server_ca or None)
            if target.client_certificate:
                _load_certificate(context, target.client_certificate)
            self._contexts[key] = context
        return self._contexts[key]


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """Load certificate and key from memory; OpenSSL's call takes only a path, so it gets a nameless file."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    """Read the first bytes of the body; the status has decided already, so trouble here changes nothing."""
    content = b""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        while len(content) < RESPONSE_BYTES_KEPT:
            chunk = await response.content.read(RESPONSE_BYTES_KEPT - len(content))
            if not chunk:
                return content
            content += chunk
    response.close()  # more is coming, or never will: this connection is of no use any more
    return content


def _code(error: BaseException) -> str:
    """Name what went wrong in a word, without the message, which may hold anything."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ForbiddenAddress):
        return "forbidden_address"
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (ForbiddenAddress, "forbidden_address"),
        (aiohttp.ClientConnectorDNSError, "name_not_found"),
        (aiohttp.ClientSSLError, "tls_error"),
        (aiohttp.ServerTimeoutError, "timeout"),
        (TimeoutError, "timeout"),
        (asyncio.TimeoutError, "timeout"),
        (aiohttp.ClientProxyConnectionError, "proxy_unreachable"),
        (aiohttp.ClientConnectorError, "cannot_connect"),
        (aiohttp.ServerDisconnectedError, "connection_closed"),
        (aiohttp.InvalidURL, "refused_url_shape"),
        (aiohttp.ClientResponseError, "unreadable_answer"),
        (ssl.SSLError, "tls_error"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "connection_error")
