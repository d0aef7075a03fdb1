"""Verify the whole audit log."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from apps.compliance import sealing
from apps.compliance.verification import Findings, verify
from apps.core import clock, db, signing, tenancy

_CHUNK_LENGTH = 2_000
_EXIT_CODES = (
    # The gravest first; what lies behind a seal was inserted where nothing can come to lie.
    ("altered", 2),
    ("missing", 3),
    ("misplaced", 4),
    ("behind_seal", 4),
    ("bad_root", 4),
    ("bad_signature", 5),
    ("bad_anchor", 6),
    ("unsealed_too_long", 7),
)


class Command(BaseCommand):
    """Compute every hash, root and signature of the audit log again, and compare them with the anchors."""

    help = (
        "Verify the audit log. Exit code: 0 intact, 2 altered entry, 3 missing entry, 4 tree or order, "
        "5 signature, 6 anchor, 7 unsealed for too long."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument(
            "--unsealed-s-max", type=int, help="also fail if an entry has waited longer for its seal"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and tell."""
        findings = self._verify(options["unsealed_s_max"])
        self._tell(findings, as_json=options["json"])
        for kind, code in _EXIT_CODES:
            if kind in findings.counts:
                raise CommandError(_summary(findings), returncode=code)

    def _verify(self, unsealed_s_max: int | None) -> Findings:
        with db.new_transaction():
            with connection.cursor() as cursor:
                # One snapshot, so that a sealer at work is seen whole or not at all.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET LOCAL statement_timeout = 0")
            tenancy.switch(tenancy.PLATFORM)
            now = clock.database_now()
            findings = verify(_rows, keys=signing.public_keys(sealing.PURPOSE), anchors=sealing.anchored())
        oldest = findings.oldest_unsealed_at
        if unsealed_s_max is not None and oldest is not None:
            waited_s = (now - oldest).total_seconds()
            if waited_s > unsealed_s_max:
                findings.add("unsealed_too_long", f"{waited_s:.0f} seconds")
        return findings

    def _tell(self, findings: Findings, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_as_json(findings), sort_keys=True))
        elif findings.ok:
            self.stdout.write(
                f"{findings.entries} entries are intact, {findings.sealed} of them under {findings.seals} seals."
            )


def _rows(statement: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while found := cursor.fetchmany(_CHUNK_LENGTH):
            yield from found


def _summary(findings: Findings) -> str:
    parts = [
        f"{findings.counts[kind]} {kind.replace('_', ' ')} ({', '.join(named)})"
        for kind, named in findings.named.items()
    ]
    return f"The audit log is not intact: {'; '.join(parts)}"


def _as_json(findings: Findings) -> dict[str, Any]:
    oldest = findings.oldest_unsealed_at
    return {
        "ok": findings.ok,
        "entries": findings.entries,
        "sealed": findings.sealed,
        "seals": findings.seals,
        "unsealed": findings.entries - findings.sealed + findings.counts.get("missing", 0),
        "oldest_unsealed_at": oldest.isoformat() if oldest else None,
        "findings": findings.counts,
        "named": findings.named,
    }
