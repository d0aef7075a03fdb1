"""Statements that real banks published as samples, imported beside our own: accounts we only observe."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings

from apps.reconciliation import public as reconciliation
from apps.simulator.sandbox import cast
from apps.simulator.sandbox.world import ACTOR


def import_third_party_statements(*, at: datetime) -> int:
    """Import the samples that came with the checkout. Returns how many files were there."""
    folder = Path(settings.BASE_DIR) / "tests" / "data" / "camt"
    files = [folder / name for name, _ in cast.THIRD_PARTY_STATEMENTS if (folder / name).exists()]
    for path in files:
        reconciliation.observe_accounts(path.read_bytes(), actor=ACTOR, at=at)
        reconciliation.import_statement(path.read_bytes(), file_name=path.name, actor=ACTOR, at=at)
    return len(files)
