"""What an answer means: delivered, to be tried again, or the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.webhooks.domain.schedule import delivery_pause_s, retry_after_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one attempt: a status, or an error's code when nothing came."""

    status_code: int | None
    error: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the delivery: a retry after `pause_s` seconds, by the database's clock.

    `gone` disables its endpoint.
    """

    outcome: str  # delivered, retry, dead
    error: str = ""
    pause_s: float | None = None
    gone: bool = False


def judge(answer: Answer, *, attempts: int, at: datetime, chance: float) -> Outcome:
    """Decide after an attempt; `attempts` counts it, `chance` (0 to 1) spreads the pause.

    Only 2xx is success. A redirect is a failure, since following it would send the event where nobody
    registered it. 410 ends the endpoint. Name look-up and TLS errors are tried again like all others.
    """
    status = answer.status_code
    if status is not None and 200 <= status < 300:
        return Outcome("delivered")
    error = answer.error or f"http_{status}"
    if status == 410:
        return Outcome("dead", error, gone=True)
    wanted_s = (
        retry_after_s(answer.retry_after, at=at) if status in (429, 503) and answer.retry_after else None
    )
    pause_s = delivery_pause_s(failed_attempts=attempts, chance=chance, retry_after_s=wanted_s)
    if pause_s is None:
        return Outcome("dead", error)
    return Outcome("retry", error, pause_s=pause_s)
