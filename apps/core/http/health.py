"""`/livez` and `/readyz`: is the process alive, and can the platform do its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from apps.core import clock, heartbeats, outbox, tenancy
from apps.core.registries import HEALTH

OUTBOX_LAG_MAX_S = 60


def livez(request: HttpRequest) -> JsonResponse:
    """Answer that the process runs; touches nothing else."""
    return JsonResponse({"ok": True})


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when database, migrations, outbox, worker and every registered check are well, else 503."""
    checks: dict[str, Any] = {}
    try:
        checks["database"] = _database()
        checks["migrations"] = _migrations()
        if checks["migrations"]["ok"]:
            checks |= {"outbox": _outbox(), "worker": _process("worker"), "relay": _process("relay")}
            checks |= {name: _registered(check) for name, check in HEALTH.entries.items()}
    except (DatabaseError, InterfaceError) as error:  # neither is the other in Django
        checks["database"] = {"ok": False, "error": type(error).__name__}
    ok = all(check["ok"] for check in checks.values())
    return JsonResponse({"ok": ok, "checks": checks}, status=200 if ok else 503)


def _registered(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a check of an app. One that fails in any way is an answer too, and must not hide the others."""
    try:
        return check()
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        return {"ok": False, "error": type(error).__name__}


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return {"ok": True, "version": cursor.fetchone()[0]}


_migrated: list[bool] = []


def _migrations() -> dict[str, Any]:
    """Count unapplied migrations; once there are none there will be none until the code changes."""
    if _migrated:
        return {"ok": True, "pending": 0}
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not pending:
        _migrated.append(True)
    return {"ok": pending == 0, "pending": pending}


def _outbox() -> dict[str, Any]:
    with tenancy.scope(tenancy.PLATFORM):
        lag_s = round(outbox.newest_lag_s(), 3)
    return {"ok": lag_s <= OUTBOX_LAG_MAX_S, "lag_s": lag_s}


def _process(kind: str) -> dict[str, Any]:
    return {"ok": heartbeats.fresh(kind, clock.database_now())}
