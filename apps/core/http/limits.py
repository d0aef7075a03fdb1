"""The middleware that keeps callers within their rate limits, before any work is done for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.core import logs
from apps.core.counters import RATE_LIMITED
from apps.core.errors import Refusal
from apps.core.http.problems import CONTENT_TYPE
from apps.core.ratelimit import Decision, Limit, Limiter, RateLimited

ADDRESS_FACTOR = 4
"""Behind one address there may be several clients; it may ask for this many times a client's share."""


@cache
def limiter() -> Limiter:
    """Return this process's limiter, made from the settings."""
    return Limiter(redis_url=settings.REDIS_URL, processes=settings.WEB_PROCESSES)


def rate_limits(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse with 429 what is over a limit; tell every caller how the tightest bucket stands."""

    def middleware(request: HttpRequest) -> HttpResponse:
        buckets = list(_buckets(request))
        if not buckets:
            return get_response(request)
        try:
            decisions = limiter().check(buckets)
        except Refusal as refusal:
            return _problem(refusal, {"Retry-After": "1"})
        refused = [decision for decision in decisions if not decision.allowed]
        if refused:
            slowest = max(refused, key=lambda decision: decision.retry_after_s)
            RATE_LIMITED.labels(slowest.limit.name).inc()
            return _problem(RateLimited(policy=slowest.limit.name), slowest.headers())
        response = get_response(request)
        for name, value in _tightest(decisions).headers().items():
            response.setdefault(name, value)
        return response

    return middleware


def _buckets(request: HttpRequest) -> Iterator[tuple[str, Limit]]:
    """Name the buckets a request takes from: of its client at the place, and of its address."""
    for prefix, methods, limit in settings.RATE_LIMITS:
        if request.path.startswith(prefix) and (not methods or request.method in methods):
            address = client_address(request)
            credential = request.headers.get("Authorization", "")
            if limit.name == "inbound":
                # Whoever sends to a source shares its bucket: its address is the secret part of the path.
                yield request.path, limit
                yield f"address {address}", _widened(limit)
            elif credential:
                yield f"client {credential}", limit
                yield f"address {address}", _widened(limit)
            else:
                yield f"address {address}", limit
            return


@cache
def _widened(limit: Limit) -> Limit:
    return Limit(
        f"{limit.name}-address",
        limit.count * ADDRESS_FACTOR,
        limit.per_s,
        limit.burst * ADDRESS_FACTOR,
        limit.strict,
    )


def _tightest(decisions: list[Decision]) -> Decision:
    return min(decisions, key=lambda decision: decision.remaining / decision.limit.burst)


def client_address(request: HttpRequest) -> str:
    """Return the caller's address: the first one, read from the right, that is no proxy of ours.

    An IPv6 caller counts by its /64, which one customer has whole.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if address in settings.PROXY_ADDRESSES:
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            address = hop.strip() or address
            if address not in settings.PROXY_ADDRESSES:
                break
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _problem(refusal: Refusal, headers: dict[str, str]) -> JsonResponse:
    body = {
        "type": f"urn:bezant:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "correlation_id": logs.correlation_id(),
        "facts": refusal.facts,
    }
    return JsonResponse(body, status=refusal.status, content_type=CONTENT_TYPE, headers=headers)
