"""Measure the webhooks on this machine, with processes of its own against the configured database."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from apps.accounts import public as accounts
from apps.core import clock, ids
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.webhooks.benchmark import measures
from apps.webhooks.benchmark.machine import Machine

GOALS = {
    "inbound_200_per_s.p99_ms": ("<=", 50),
    "inbound_200_per_s.errors": ("<=", 0),
    "inbound_ceiling.per_s": (">=", 400),
    "stored_to_applied_s.p99": ("<=", 1),
    "commit_to_first_attempt_ms.p50": ("<=", 150),
    "commit_to_first_attempt_ms.p99": ("<=", 1_000),
    "deliveries_per_s": (">=", 1_500),
    "one_dead_of_a_hundred.share": (">=", 0.9),
    "resume_after_kill_s.resumed_after_s": ("<=", 6),
    "claim_with_backlog_ms.p99": ("<=", 20),
    "inbox_claim_with_backlog_ms.p99": ("<=", 20),
    "worker_memory_mb": ("<=", 150),
}


class Command(BaseCommand):
    help = "Measure inbound, applying and deliveries. Writes an organisation of its own; refused where money is real."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the sizes."""
        parser.add_argument("--json", action="store_true", help="write JSON")
        parser.add_argument("--seconds", type=float, default=10, help="how long each steady load lasts")
        parser.add_argument("--deliveries", type=int, default=20_000)
        parser.add_argument(
            "--backlog", type=int, default=1_000_000, help="rows waiting while claims are timed"
        )
        parser.add_argument("--only", action="append", default=[], help="measure only this (may be repeated)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure one after the other and tell the figures beside their goals."""
        if settings.ENVIRONMENT == "live":
            raise CommandError("This writes measurements into the database: not where ENVIRONMENT is live.")
        settings.WEBHOOK_ALLOW_LOCAL = True
        with Machine() as machine:
            ground = measures.Ground(machine, _organisation(), options["seconds"])
            for name, measure in _plan(options):
                if not options["only"] or name in options["only"]:
                    began = time.monotonic()
                    measure(ground)
                    self.stderr.write(
                        f"{name} ({time.monotonic() - began:.0f} s): {json.dumps(ground.figures)}"
                    )
        goals = _verdicts(ground.figures, whole=not options["only"])
        report = {
            "machine": _machine(),
            "figures": ground.figures,
            "goals": goals,
            "ok": all(goal["ok"] for goal in goals),
        }
        self.stdout.write(json.dumps(report) if options["json"] else _lines(report))


def _plan(options: dict[str, Any]) -> list[tuple[str, Callable[[measures.Ground], None]]]:
    count = options["deliveries"]
    return [
        ("inbound", measures.inbound),
        ("first_attempt", measures.first_attempt),
        ("deliveries", lambda ground: measures.deliveries(ground, count=count)),
        ("one_dead", lambda ground: measures.one_dead_of_a_hundred(ground, count=count)),
        ("resume", measures.resume_after_kill),
        ("backlog", lambda ground: measures.backlog(ground, rows=options["backlog"])),
        ("inbox_backlog", lambda ground: measures.inbox_backlog(ground, rows=options["backlog"])),
    ]


def _organisation() -> Any:
    at = clock.database_now()
    command = accounts.OpenOrganisation(None, "Benchmark", "NL", id=ids.uuid7(at))
    execute(command, actor=system_actor("manage.bench_webhooks"), key=None, at=at)
    return command.id


def _machine() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')"
        )
        version, fsync, commit = cursor.fetchone()
    return {"processors": os.cpu_count(), "postgresql": version, "fsync": fsync, "synchronous_commit": commit}


def _verdicts(figures: dict[str, Any], *, whole: bool) -> list[dict[str, Any]]:
    """Hold each figure against its goal. Of a whole run a figure that is missing is one that was not reached."""
    told = []
    for name, (sign, goal) in GOALS.items():
        value: Any = figures
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            met = value <= goal if sign == "<=" else value >= goal
            told.append({"name": name, "value": value, "goal": f"{sign} {goal}", "ok": met})
        elif whole:
            told.append({"name": name, "value": None, "goal": f"{sign} {goal}", "ok": False})
    return told


def _lines(report: dict[str, Any]) -> str:
    rows = [
        f"{row['name']:<40}{row['value']!s:>12}  goal {row['goal']:<10}{'ok' if row['ok'] else 'MISSED'}"
        for row in report["goals"]
    ]
    return "\n".join([json.dumps(report["machine"]), *rows])
