"""Carrying a message to a provider by HTTP, and telling silence from "nothing was sent".

No redirects, no proxy or cookies from the environment, certificates verified, one answer of limited
size within one limit of time. Plain http only to this machine, where the simulator listens.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from django.conf import settings

CONNECT_S = 2.0
BYTES_MAX = 256 * 1024
HEADER_BYTES_MAX = 8 * 1024


class BadDestination(Exception):
    """A URL in the settings that cannot be meant; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call brought.

    `reached` False: certainly nothing of the message left. Otherwise it may have arrived, whatever
    came back. `error` is empty only for a whole answer; of `post`, one with status 200.
    """

    reached: bool
    body: bytes = b""
    error: str = ""
    status: int = 0


def url_of(name: str) -> str:
    """Return where a rail or provider listens; empty when it is not connected. Raises BadDestination."""
    url = str(settings.PROVIDER_URLS.get(name, ""))
    if url:
        check_url(url)
    return url


def is_connected(name: str) -> bool:
    """Tell whether there is a way to the rail or provider."""
    return bool(settings.PROVIDER_URLS.get(name))


def check_url(url: str) -> None:
    """Raise BadDestination unless the URL is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or not _is_local(parts.hostname or ""):
        raise BadDestination("a provider's URL is https, or http to this machine")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def post(url: str, body: bytes, *, content_type: str, total_s: float) -> Reply:
    """Post once and say what came of it. Raises BadDestination, and nothing that a provider could cause.

    Never inside a transaction: it may take as long as `total_s`.
    """
    reply = exchange("POST", url, body, headers={"Content-Type": content_type}, total_s=total_s)
    if reply.error or reply.status == 200:
        return reply
    return Reply(reached=True, error=f"http_{reply.status}", status=reply.status)


def exchange(method: str, url: str, body: bytes, *, headers: Mapping[str, str], total_s: float) -> Reply:
    """Send one request and return a whole answer, whatever its status. Otherwise as `post`."""
    check_url(url)
    return asyncio.run(_exchange(method, url, body, headers, total_s))


async def _exchange(method: str, url: str, body: bytes, headers: Mapping[str, str], total_s: float) -> Reply:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls()),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=min(CONNECT_S, total_s)),
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
        headers={"User-Agent": "Bezant/1", "Accept-Encoding": "identity", **headers},
    ) as session:
        try:
            async with session.request(method, url, data=body or None, allow_redirects=False) as response:
                return await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            # The connection, TLS included, comes before the first byte of the message.
            return Reply(reached=False, error=_code(error))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Reply(reached=True, error=_code(error))


async def _read(response: aiohttp.ClientResponse) -> Reply:
    content = b""
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > BYTES_MAX:
            return Reply(reached=True, error="answer_too_large")
    return Reply(reached=True, body=content, status=response.status)


def _tls() -> Any:
    """Verify certificates; present ours where one is configured (mutual TLS)."""
    certificate, authority = settings.PROVIDER_CERTIFICATE, settings.PROVIDER_CA
    if not certificate and not authority:
        return True
    context = ssl.create_default_context(cafile=authority or None)
    if certificate:
        context.load_cert_chain(certificate)
    return context


def _code(error: BaseException) -> str:
    """Name what went wrong in a word, without the message, which may hold anything."""
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (aiohttp.ClientConnectorDNSError, "name_not_found"),
        (aiohttp.ClientSSLError, "tls_error"),
        (TimeoutError, "timeout"),
        (aiohttp.ClientConnectorError, "cannot_connect"),
        (aiohttp.ServerDisconnectedError, "connection_closed"),
        (aiohttp.InvalidURL, "bad_url"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "connection_error")
