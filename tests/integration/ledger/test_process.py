"""The ledger's process: it follows, seals and expires by itself, and stops when told."""

import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.core.sealer import connect_sealer
from apps.ledger import process, sealing
from apps.ledger import public as ledger
from tests.horizon import pass_horizon

from .conftest import Book


def test_it_keeps_up_and_stops(funded: Book, owner_sql: Any, tmp_path: Path, settings: Any) -> None:
    settings.LEDGER_ANCHOR_FILE = tmp_path / "anchor.jsonl"
    past = clock.database_now() - dt.timedelta(hours=2)
    hold = funded.hold("alice", 5, expires_at=past + dt.timedelta(hours=1), at=past)
    posted = funded.post(("cash", "alice", 7))
    stop = threading.Event()

    thread = threading.Thread(target=process.run_ledger, args=[stop])
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            done = owner_sql("SELECT 1 FROM ledger.seal_leaf WHERE seq = %s", [posted.seq])
            with funded.scope():
                released = ledger.hold(hold.id).remaining_minor == 0
                followed = ledger.rollup(funded["alice"]) == 1007
            if done and released and followed and sealing.anchored():
                break
            time.sleep(0.05)
        assert done and released and followed and sealing.anchored()
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_an_error_that_is_no_outage_ends_the_process(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*, at: dt.datetime) -> int:
        raise ArithmeticError

    monkeypatch.setattr(process.following, "follow_once", fail)
    stop = threading.Event()

    with pytest.raises(ArithmeticError):
        process.run_ledger(stop)
    assert stop.is_set()


def test_lag_is_seconds_not_minutes(funded: Book) -> None:
    """A journal is under a seal at the first or second look, whatever was drawn before it."""
    posted = funded.post(("cash", "alice", 1))
    with connect_sealer() as sealer:
        for _ in range(2):
            pass_horizon()
            sealing.seal_all(sealer)
        found = sealer.execute(
            "SELECT count(*) FROM ledger.seal_leaf WHERE seq = %s", [posted.seq]
        ).fetchone()
    assert found == (1,)


def test_the_books_and_the_log_are_evidence(funded: Book, tmp_path: Path, settings: Any) -> None:
    import apps.ledger.registrations  # noqa: F401
    from apps.core.registries import EVIDENCE

    settings.LEDGER_ANCHOR_FILE = tmp_path / "anchor.jsonl"

    with connect_sealer() as sealer:
        for _ in range(3):
            pass_horizon()
            sealing.seal_all(sealer)
    for name in ("ledger.books", "ledger.log"):
        found = EVIDENCE.entries[name](clock.database_now())
        assert found["ok"], found
