"""Structured logs: one JSON line an event, with a correlation id and without personal data."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")

SENSITIVE = re.compile(
    r"(?i)(authorization|cookie|password|passwd|secret|token|iban|pan|cvc|cvv|card|account_number|"
    r"name|email|phone|address|remittance|body)$"
)
"""Keys whose values never reach a log, whoever logs them."""


def correlation_id() -> str:
    """Return the id that ties together what one request or job caused; made at the first call."""
    current = _correlation_id.get()
    if not current:
        current = secrets.token_hex(16)
        _correlation_id.set(current)
    return current


def set_correlation_id(value: str) -> None:
    """Adopt an id, such as the one stored with the event being worked on; an unfit one is replaced."""
    _correlation_id.set(value if _ACCEPTED.fullmatch(value) else secrets.token_hex(16))


def _bind_correlation(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    entry.setdefault("correlation_id", _correlation_id.get() or None)
    return entry


def scrub(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of sensitive keys, at any depth of dictionaries."""
    for key, value in entry.items():
        if key == "event":
            continue
        if SENSITIVE.search(str(key)):
            entry[key] = "[removed]"
        elif isinstance(value, dict):
            entry[key] = dict(scrub(None, "", dict(value)))
    return entry


def name_exception(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tell an exception by its kind and where it was raised, not by its message, which may hold data."""
    told = entry.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        entry["error"], entry["places"] = type(error).__name__, places_of(error)
    return entry


def places_of(error: BaseException) -> list[str]:
    """Return the last twelve places an exception went through, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def configure(*, level: str) -> dict[str, Any]:
    """Set up structlog and return the LOGGING setting that sends all of Python's logs through it."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bind_correlation,
        scrub,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_exception,
            structlog.processors.JSONRenderer(),
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own request logger repeats, with the path, what the middleware below logs.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "propagate": False},
        },
    }


def log_failure(sender: Any, request: HttpRequest | None = None, **_: Any) -> None:
    """Log what made a request fail: the kind of error and where, without its message, which may hold data."""
    error = sys.exc_info()[1]
    if error is None:
        return
    structlog.get_logger("bezant.http").error(
        "request failed", error=type(error).__name__, places=places_of(error)
    )


def correlation_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request a correlation id (a fit `X-Correlation-ID` is kept) and one log line."""
    log = structlog.get_logger("bezant.http")

    def middleware(request: HttpRequest) -> HttpResponse:
        set_correlation_id(request.headers.get("X-Correlation-ID", ""))
        started = time.perf_counter()
        response = get_response(request)
        response["X-Correlation-ID"] = correlation_id()
        route = request.resolver_match.route if request.resolver_match else "(none)"
        log.log(
            logging.WARNING if response.status_code >= 500 else logging.INFO,
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            took_ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return response

    return middleware
