"""A sealed partition leaves the database, verifies offline, and the rest of the books still proves itself."""

import csv
import json
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command

from apps.core import clock, tenancy
from apps.core.sealer import connect_sealer
from apps.ledger import following, proving, sealing, verifier
from apps.ledger import public as ledger
from tests import database as test_database
from tests.horizon import pass_horizon

from .conftest import make_book


@pytest.fixture
def small_partitions(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a database of its own with a first partition of 1,000 numbers: detaching is for ever."""
    from django.db import connection

    name = f"archive_{uuid.uuid4().hex[:8]}"
    cluster = test_database.start_cluster(settings.RUN_DIR)
    test_database.clone_database(cluster, name=name)
    monkeypatch.setattr(settings, "LEDGER_ANCHOR_FILE", tmp_path / "anchor.jsonl", raising=False)
    with psycopg.connect(cluster.url(role="bezant_owner", database=name), autocommit=True) as owner:
        for (child,) in owner.execute("SELECT partition_name FROM ledger.partition_range").fetchall():
            owner.execute(f"DROP TABLE ledger.{child}")
        owner.execute("SELECT ledger.make_partitions(1000, 5)")
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    yield name
    connection.close()
    connection.settings_dict["NAME"] = before


def test_an_archive_verifies_offline_and_the_books_still_add_up(
    small_partitions: str, tmp_path: Path, capsys: Any
) -> None:
    book = make_book(uuid.uuid4(), uuid.uuid4())
    book.post(("cash", "alice", 5000), metadata={"tëxt": 'with "quotes", commas\nand lines'})
    with book.scope():
        ledger.post_many([book.draft(("alice", "bob", 1), ("bob", "cash", 1)) for _ in range(700)])
    middle = clock.database_now()
    with book.scope():
        ledger.post_many([book.draft(("alice", "bob", 1)) for _ in range(700)])
    for _ in range(3):
        pass_horizon()
        following.follow_all(at=clock.database_now())
    with connect_sealer() as sealer:
        for _ in range(3):
            pass_horizon()
            sealing.seal_all(sealer)
    balance = book.balance("alice")

    call_command("archive_ledger", out=tmp_path / "archive")
    file = tmp_path / "archive" / "ledger-1-1000.csv"
    meta = json.loads(Path(f"{file}.json").read_text())
    key = meta["keys"][-1]

    assert verifier.main(["archive", str(file), "--key", key]) == 0
    lines = file.read_text().splitlines(keepends=True)
    changed = tmp_path / "changed.csv"
    changed.write_text(
        "".join(lines).replace("bob", "bub", 1) if "bob" in "".join(lines) else "".join(lines[:-1])
    )
    assert verifier.main(["archive", str(changed), "--proof", f"{file}.json", "--key", key]) == 1
    row = next(row for row in csv.DictReader(lines) if row["table"] == "posting")
    assert row["currency"] == "EUR"

    report = ledger.check()
    assert report.ok, [proof for proof in report.proofs if proof.violations]
    log = proving.verify_log()
    assert log.ok, log.faults
    assert book.balance("alice") == balance
    with book.scope():
        assert ledger.balance_at(book["alice"], recorded_at=clock.database_now()) == balance.posted
        with pytest.raises(ledger.LedgerRefusal):
            ledger.balance_at(book["alice"], recorded_at=middle.replace(year=2020))
        old_key = csv_key(lines)
        assert ledger.post_many([book.draft(("alice", "bob", 1), key=old_key)])[0].code.name == "KEY_ARCHIVED"
    call_command("rebuild_ledger", verify=True, json=True)
    assert '"ok": true' in capsys.readouterr().out
    with tenancy.scope(book.organisation_id):
        assert ledger.post(book.draft(("alice", "bob", 1))).seq > 1000


def csv_key(lines: list[str]) -> uuid.UUID:
    return uuid.UUID(next(row["key"] for row in csv.DictReader(lines) if row["table"] == "journal"))
