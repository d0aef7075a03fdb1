"""Where webhooks may be sent: the shape of the URL, and the address that is really dialled.

Python's `is_global` calls NAT64, 6to4, multicast and more global, so the networks are listed here and
refused whole. An address is judged where it is dialled, after the resolver has spoken, for literals and
names alike; a name that changes between two look-ups changes nothing.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from apps.core.errors import Refusal

URL_CHARACTERS_MAX = 2_000
PORTS = (443, 8443)

# IANA special-purpose registries (RFC 6890 and what followed), and every way to write IPv4 inside IPv6.
_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    ::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23
    2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    """.split()  # noqa: SIM905  # a table reads better than fifty quotes
)


class BadUrl(Refusal):
    code = "bad_url"
    title = "Webhooks are sent to https URLs on public addresses, port 443 or 8443, without credentials."


def is_allowed_address(text: str) -> bool:
    """Tell whether an address (as the socket is about to dial it) is on the public internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    return not any(address.version == network.version and address in network for network in _DENIED)


def check_url(url: str, *, allow_local: bool = False) -> None:
    """Refuse a URL that webhooks are not sent to. Raises BadUrl with the reason.

    This is the shape only, for a clear answer when the endpoint is registered; the address is judged
    again at every dial. `allow_local` (development and tests) permits http and any port.
    """
    reason = _fault(url, allow_local)
    if reason:
        raise BadUrl(field="url", reason=reason)


def _fault(url: str, allow_local: bool) -> str:
    if (
        len(url) > URL_CHARACTERS_MAX
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        return "characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "shape"
    if parts.scheme not in (("https", "http") if allow_local else ("https",)):
        return "scheme"
    if "@" in parts.netloc:
        return "credentials"
    if parts.fragment:
        return "fragment"
    host = (parts.hostname or "").rstrip(".")
    if not host or "%" in host:
        return "host"
    if allow_local:
        return ""
    if port is not None and port not in PORTS:
        return "port"
    return _host_fault(host)


def _host_fault(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return "" if is_allowed_address(host) else "address"
    # Whatever a resolver could take for a number in disguise (0x7f.1, 2130706433, 017700000001).
    final_label = host.rsplit(".", 1)[-1]
    if final_label[:1].isdigit() or "." not in host:
        return "address"
    return "" if not host.lower().endswith((".localhost", ".local", ".internal", ".onion")) else "host"
