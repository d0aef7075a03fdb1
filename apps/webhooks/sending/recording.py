"""Recording what came of attempts: history, queue and the endpoints' health, in one transaction for many."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection

from apps.core import clock, db, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.webhooks import metrics
from apps.webhooks.commands.endpoints import DisableEndpoint, TellOfFailing
from apps.webhooks.domain import breaker
from apps.webhooks.domain.breaker import Health, Judgement
from apps.webhooks.domain.outcome import Outcome
from apps.webhooks.models import EndpointHealth
from apps.webhooks.sending.claiming import Claimed
from apps.webhooks.sending.http import Reply

_ACTOR = system_actor("webhooks.deliveries")
_HEALTH = tuple(one.name for one in fields(Health))
_log = structlog.get_logger("bezant.webhooks.sending")


@dataclass(frozen=True, slots=True)
class Result:
    """A claimed delivery and what came of it; no reply means that nothing was sent."""

    claimed: Claimed
    outcome: Outcome
    reply: Reply | None
    started_at: datetime


def record(results: list[Result], *, now: Callable[[], datetime] = clock.database_now) -> int:
    """Write a batch of results; return how many were still ours to decide.

    Locks the queue's rows by id, then the endpoints' health by id; a collision is tried again. The
    moment is the database's: pauses and breakers must not follow the clock of one machine.
    """
    at = now()
    judged, counted = db.retrying(lambda: _record(results, at))
    for endpoint_id, (organisation_id, judgement) in judged.items():
        if judgement.disable:
            _execute(DisableEndpoint(organisation_id, endpoint_id, "failing"), at)
        elif judgement.notice_h is not None:
            _execute(TellOfFailing(organisation_id, endpoint_id, judgement.notice_h), at)
    for result in results:
        metrics.DELIVERY_ATTEMPTS.labels(result.outcome.outcome).inc()
        if result.outcome.gone:
            _execute(DisableEndpoint(result.claimed.organisation_id, result.claimed.endpoint_id, "gone"), at)
    return counted


def _record(results: list[Result], at: datetime) -> tuple[dict[UUID, tuple[UUID, Judgement]], int]:
    with tenancy.scope(tenancy.PLATFORM):
        with connection.cursor() as cursor:
            rows = json.dumps([_row(result) for result in results])
            cursor.execute("SELECT webhooks_finish_deliveries(%s::jsonb)", [rows])
            (counted,) = cursor.fetchone()
        return _judge_endpoints(results, at), int(counted)


def _row(result: Result) -> dict[str, Any]:
    claimed, outcome, reply = result.claimed, result.outcome, result.reply
    return {
        "id": str(claimed.id),
        "created_at": claimed.created_at.isoformat(),
        "lease": str(claimed.lease_token),
        "outcome": outcome.outcome,
        "error": outcome.error[:60],
        "reason": "",
        "pause_s": outcome.pause_s,
        "attempt": None
        if reply is None
        else {
            "id": str(ids.uuid7(result.started_at)),
            "started_at": result.started_at.isoformat(),
            "took_ms": reply.took_ms,
            "status_code": reply.answer.status_code,
            "error": outcome.error[:60],
            "address": reply.address,
            # Text columns hold no NUL, and a receiver may answer with anything.
            "response_body": reply.body.decode("utf-8", "replace").replace("\x00", "\ufffd"),
        },
    }


def _judge_endpoints(results: list[Result], at: datetime) -> dict[UUID, tuple[UUID, Judgement]]:
    """Count successes and failures of each endpoint into its breaker, all in two statements."""
    told: dict[UUID, list[bool]] = defaultdict(list)
    organisations = {}
    for result in results:
        if result.reply is not None:
            told[result.claimed.endpoint_id].append(result.outcome.outcome == "delivered")
            organisations[result.claimed.endpoint_id] = result.claimed.organisation_id
    if not told:
        return {}
    rows = list(
        EndpointHealth.objects.select_for_update().filter(endpoint_id__in=told).order_by("endpoint_id")
    )
    judged: dict[UUID, tuple[UUID, Judgement]] = {}
    for row in rows:
        answers = told[row.endpoint_id]
        health = Health(**{name: getattr(row, name) for name in _HEALTH})
        judgement = breaker.after(health, successes=sum(answers), failures=len(answers) - sum(answers), at=at)
        judged[row.endpoint_id] = (organisations[row.endpoint_id], judgement)
        if judgement.health.pause_s and not health.pause_s:
            _log.warning("circuit breaker opened", endpoint=str(row.endpoint_id))
    _save_health(judged)
    return judged


def _save_health(judged: dict[UUID, tuple[UUID, Judgement]]) -> None:
    told = [
        {"endpoint_id": str(endpoint_id), **_plain(asdict(judgement.health))}
        for endpoint_id, (_, judgement) in judged.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_endpointhealth h SET window_started_at = t.window_started_at,"
            " window_attempts = t.window_attempts, window_failures = t.window_failures,"
            " open_until = t.open_until, pause_s = t.pause_s, failing_since = t.failing_since,"
            " notices = t.notices, latest_success_at = t.latest_success_at,"
            " latest_attempt_at = t.latest_attempt_at"
            " FROM jsonb_to_recordset(%s::jsonb) AS t(endpoint_id uuid, window_started_at timestamptz,"
            " window_attempts int, window_failures int, open_until timestamptz, pause_s int,"
            " failing_since timestamptz, notices int, latest_success_at timestamptz,"
            " latest_attempt_at timestamptz) WHERE h.endpoint_id = t.endpoint_id",
            [json.dumps(told)],
        )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def _execute(command: DisableEndpoint | TellOfFailing, at: datetime) -> None:
    execute(command, actor=_ACTOR, key=None, at=at)
