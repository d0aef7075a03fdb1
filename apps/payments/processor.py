"""The way to a card processor: JSON over HTTP, with the difference between "not sent" and "no answer".

A refused connection means that nothing has left. Whatever goes wrong later (a time-out, a connection that
breaks, an answer that is not JSON, a 5xx) means that nobody knows, and only an inquiry tells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from apps.payments import transport
from apps.payments.rails.card import Request


class NotSent(Exception):
    """No connection was made: the request has not left."""


class NoAnswer(Exception):
    """The request may have arrived; what became of it is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the processor answered: an HTTP status and a JSON object."""

    status: int
    data: dict[str, Any]


def call(base_url: str, request: Request, *, api_key: str, timeout_s: float) -> Answer:
    """Send one request and return the answer within a limit of time. Raises NotSent, NoAnswer.

    Must not be called inside a transaction.
    """
    headers = {"Accept": "application/json", "Authorization": f"Bearer {api_key}"}
    if request.method == "POST":
        headers |= {"Content-Type": "application/json", "Idempotency-Key": request.key}
    reply = transport.exchange(
        request.method, base_url + request.path, request.body, headers=headers, total_s=timeout_s
    )
    if not reply.reached:
        raise NotSent(reply.error)
    if reply.error or reply.status >= 500 or reply.status in (408, 425, 429):
        raise NoAnswer(reply.error or f"http_{reply.status}")
    try:
        # A number with a fraction is no amount; as text it is refused where amounts are read.
        data = json.loads(reply.body, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise NoAnswer("not_json") from None
    if not isinstance(data, dict):
        raise NoAnswer("not_an_object")
    return Answer(reply.status, data)
