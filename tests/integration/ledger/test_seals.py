"""The sealed log: proofs that strangers can verify, and every way of tampering found and named."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core import tenancy
from apps.core.sealer import connect_sealer
from apps.ledger import proving, sealing, verifier
from apps.ledger import public as ledger
from tests.horizon import pass_horizon

from .conftest import Book, make_book

VERIFIER = Path(verifier.__file__)


def seal(*, waited_s_max: float = 3) -> int:
    """Seal until all that is committed is under a seal: a look settles what the look before it saw."""
    sealed = 0
    for _ in range(3):
        pass_horizon(waited_s_max=waited_s_max)
        with connect_sealer() as sealer:
            sealed += sealing.seal_all(sealer)
    return sealed


@pytest.fixture
def proof(funded: Book, tmp_path: Path) -> dict[str, Any]:
    posted = funded.post(
        ("alice", "bob", 7), ("bob", "cash", 2), reference=f"pay_{uuid.uuid4().hex}", metadata={"é": "ü"}
    )
    seal()
    out = tmp_path / "proof.json"
    call_command("prove", str(posted.seq), out=out)
    return json.loads(out.read_text())


def run_verifier(
    document: dict[str, Any], folder: Path, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    path = folder / "given.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-I", str(VERIFIER), "proof", str(path), "--key", key or document["keys"][-1]],
        capture_output=True,
        text=True,
        check=False,
    )


class TestProve:
    def test_the_standalone_verifier_accepts_it(self, proof: dict[str, Any], tmp_path: Path) -> None:
        done = run_verifier(proof, tmp_path)

        assert (done.returncode, done.stderr) == (0, "")
        assert "verified" in done.stdout

    @pytest.mark.parametrize("name", [name for name, _ in verifier.JOURNAL_COLUMNS])
    def test_it_refuses_any_other_column_of_the_journal(
        self, proof: dict[str, Any], tmp_path: Path, name: str
    ) -> None:
        proof["leaf"]["row"][name] = changed(name, proof["leaf"]["row"][name])

        assert run_verifier(proof, tmp_path).returncode in (1, 2)

    @pytest.mark.parametrize("name", [name for name, _ in verifier.POSTING_COLUMNS])
    def test_it_refuses_any_other_column_of_a_posting(self, proof: dict[str, Any], name: str) -> None:
        posting = proof["leaf"]["postings"][0]
        posting[name] = changed(name, posting[name])

        with pytest.raises((verifier.NotVerified, ValueError)):
            verifier.verify_proof(proof, proof["keys"][-1])

    def test_it_refuses_a_posting_left_out_and_another_key(self, proof: dict[str, Any]) -> None:
        key = proof["keys"][-1]
        with pytest.raises(verifier.NotVerified):
            verifier.verify_proof(
                proof | {"leaf": proof["leaf"] | {"postings": proof["leaf"]["postings"][:1]}}, key
            )
        with pytest.raises(verifier.NotVerified):
            verifier.verify_proof(proof, key[:-8] + "AAAAAAA=")
        with pytest.raises(verifier.NotVerified):
            verifier.verify_proof(proof | {"checkpoint": proof["checkpoint"].replace("\n", "\n1", 1)}, key)

    def test_it_proves_that_the_log_only_grew(
        self, proof: dict[str, Any], funded: Book, tmp_path: Path
    ) -> None:
        older = int(proof["checkpoint"].split("\n")[1])
        for minor in range(1, 40):
            funded.post(("alice", "bob", minor))
            if minor % 13 == 0:
                seal()
        seal()
        out = tmp_path / "grown.json"
        call_command("prove", since=older, out=out)
        document = json.loads(out.read_text())

        assert run_verifier(document, tmp_path).returncode == 0
        document["consistency"] = document["consistency"][:-1] + [document["consistency"][0]]
        assert run_verifier(document, tmp_path).returncode == 1

    def test_it_says_what_is_not_there(self, funded: Book, tmp_path: Path) -> None:
        unsealed = funded.post(("alice", "bob", 7))
        for name in ("999999999999", "pay_unknown", str(unsealed.seq)):
            with pytest.raises(CommandError):
                call_command("prove", name, out=tmp_path / "x.json")
        assert not (tmp_path / "x.json").exists()

    def test_an_account_event_can_be_proven(self, book: Book, owner_sql: Any, tmp_path: Path) -> None:
        seal()
        ((seq,),) = owner_sql("SELECT seq FROM ledger.account_event WHERE account_id = %s", [book["alice"]])
        with tenancy.scope(tenancy.PLATFORM):
            document = proving.prove(seq=seq)

        assert run_verifier(document, tmp_path).returncode == 0


def changed(name: str, value: Any) -> Any:
    """Return another value of the same kind."""
    if name in ("organisation_id", "key"):
        return str(uuid.uuid4())
    if name == "effective_date":
        return "2026-11-03"
    if name == "recorded_at":
        return "2026-11-02T00:00:00.000001+00:00"
    if name in ("kind", "actor", "reference", "metadata", "rate", "currency"):
        return f"{value}x"
    return 1 if value is None else int(value) + 1


class TestGoldenVectors:
    def test_database_and_verifier_give_the_recorded_bytes(self, book: Book, admin_sql: Any) -> None:
        """The format can never change under leaves that exist: these bytes were recorded once."""
        golden = json.loads(
            (Path(__file__).resolve().parents[2] / "data" / "merkle" / "golden_leaves.json").read_text()
        )
        assert golden
        for leaf in golden:
            data = verifier.leaf_data(leaf["kind"], leaf["row"], leaf["postings"])
            assert data.hex() == leaf["data"]
            assert verifier.leaf_hash(data).hex() == leaf["hash"]
            assert in_database(admin_sql, leaf).hex() == leaf["data"]

    def test_the_database_encodes_as_the_verifier_does(self, funded: Book, owner_sql: Any) -> None:
        posted = funded.post(
            ("alice", "bob", 1), ("bob", "cash", 1), metadata={"a": [1, None, "ä"]}, reference="r"
        )
        hold = funded.hold("alice", 5)
        for seq in (posted.seq, hold.id):
            ((data,),) = owner_sql("SELECT data FROM ledger.leaf_data(%s - 1, %s)", [seq, seq])
            with tenancy.scope(tenancy.PLATFORM):
                row = proving._records("journal", verifier.JOURNAL_COLUMNS, seq)[0]
                postings = proving._records("posting", verifier.POSTING_COLUMNS, seq)
            assert verifier.leaf_data(1, row, postings) == data


def in_database(sql: Any, leaf: dict[str, Any]) -> bytes:
    """Encode a leaf as the schema's function does, from values instead of rows."""
    types = {"int8": "bigint", "int2": "smallint"}
    head = verifier.EVENT_COLUMNS if leaf["kind"] == 2 else verifier.JOURNAL_COLUMNS
    data = bytes([1, leaf["kind"]])
    ordered = sorted(leaf["postings"], key=lambda posting: posting["line"])
    for columns, row in [(head, leaf["row"]), *((verifier.POSTING_COLUMNS, posting) for posting in ordered)]:
        casts = ", ".join(f"%s::text::{types.get(kind, kind)}" for _, kind in columns)
        values = [None if row[name] is None else str(row[name]) for name, _ in columns]
        data += sql(f"SELECT record_send(ROW({casts}))", values)[0][0]
    return data


# ---------------------------------------------------------------- tampering, on a copy of the database

Tamper = Callable[[str, int], None]


@pytest.fixture
def sealed_copy(
    database: str, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, list[int]]]:
    """Give a way to run SQL as superuser with every trigger off, and the numbers of five sealed journals.

    What is done is undone afterwards: the tampering runs in a transaction that verification joins.
    """
    monkeypatch.setattr(settings, "LEDGER_ANCHOR_FILE", tmp_path / "anchor.jsonl", raising=False)
    book.post(("cash", "alice", 1000))
    seqs = [book.post(("alice", "bob", n), ("bob", "cash", 1)).seq for n in range(2, 7)]
    seal()
    yield (database, seqs)


def faults_after(database: str, statement: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Tamper as the superuser, verify in the same transaction, roll back."""
    address = settings.DATABASES["default"]
    with psycopg.connect(host=address["HOST"], dbname=database, user="postgres") as tampering:
        tampering.execute("SET session_replication_role = replica")
        tampering.execute(statement, parameters or [])
        faults = verify_on(tampering)
        tampering.rollback()
    return faults


def verify_on(tampering: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Run the verification's own code over a given connection."""

    def rows(query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        cursor = tampering.execute(query, parameters or None)
        return cursor.fetchall()

    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(proving, "rows", rows)
        return proving.verify_log().faults


class TestTampering:
    def test_an_untouched_log_verifies(self, sealed_copy: Any) -> None:
        database, _ = sealed_copy
        assert faults_after(database, "SELECT 1") == []

    @pytest.mark.parametrize("name", [name for name, _ in verifier.JOURNAL_COLUMNS if name != "seq"])
    def test_a_changed_column_of_a_journal_is_named(self, sealed_copy: Any, name: str) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database, f"UPDATE ledger.journal SET {name} = {other_sql(name)} WHERE seq = %s", [seqs[2]]
        )

        assert {"seq": seqs[2], "fault": "changed"}.items() <= faults[0].items()
        assert len(faults) == 1

    @pytest.mark.parametrize("name", [name for name, _ in verifier.POSTING_COLUMNS if name != "seq"])
    def test_a_changed_column_of_a_posting_is_named(self, sealed_copy: Any, name: str) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            f"UPDATE ledger.posting SET {name} = {other_sql(name)} WHERE seq = %s AND line = 2",
            [seqs[2]],
        )

        assert [(fault["seq"], fault["fault"]) for fault in faults] == [(seqs[2], "changed")]

    def test_a_removed_journal_is_named(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            f"WITH p AS (DELETE FROM ledger.posting WHERE seq = {seqs[1]}) DELETE FROM ledger.journal WHERE seq = {seqs[1]}",
        )
        assert [(fault["seq"], fault["fault"]) for fault in faults] == [(seqs[1], "missing")]

    def test_a_removed_posting_is_named(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        faults = faults_after(database, "DELETE FROM ledger.posting WHERE seq = %s AND line = 2", [seqs[1]])
        assert [(fault["seq"], fault["fault"]) for fault in faults] == [(seqs[1], "changed")]

    def test_an_inserted_posting_is_named(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            "INSERT INTO ledger.posting SELECT seq, 3, organisation_id, debit_id, credit_id, currency, amount, 90, 91, 0, 0,"
            " recorded_at FROM ledger.posting WHERE seq = %s AND line = 1",
            [seqs[3]],
        )
        assert [(fault["seq"], fault["fault"]) for fault in faults] == [(seqs[3], "changed")]

    def test_an_inserted_journal_is_named(self, sealed_copy: Any) -> None:
        """In the place of a number that was drawn and never used."""
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            f"UPDATE ledger.journal SET seq = {seqs[0]} + 1000000 WHERE false; "
            f"DELETE FROM ledger.seal_leaf WHERE seq = {seqs[4]}",
        )
        assert {(fault.get("seq"), fault["fault"]) for fault in faults} >= {(seqs[4], "unsealed")}

    def test_two_swapped_journals_are_named(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        one, two = seqs[0], seqs[1]
        faults = faults_after(
            database,
            f"UPDATE ledger.journal SET key = (SELECT key FROM ledger.journal o WHERE o.seq = {one} + {two} - journal.seq)"
            f" WHERE seq IN ({one}, {two})",
        )
        assert [(fault["seq"], fault["fault"]) for fault in faults] == [(one, "changed"), (two, "changed")]

    def test_a_truncated_tail_is_found_by_the_anchor(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            f"DELETE FROM ledger.seal WHERE tree_size > (SELECT leaf_index FROM ledger.seal_leaf WHERE seq = {seqs[3]});"
            f"DELETE FROM ledger.seal_leaf WHERE seq >= {seqs[3]}; DELETE FROM ledger.posting WHERE seq >= {seqs[3]};"
            f"DELETE FROM ledger.journal WHERE seq >= {seqs[3]}; UPDATE ledger.follower SET seq = {seqs[3]} - 1 WHERE name = 'sealer'",
        )
        assert any("anchored" in fault["fault"] for fault in faults)

    def test_a_row_changed_together_with_its_leaf_breaks_the_root(self, sealed_copy: Any) -> None:
        database, seqs = sealed_copy
        faults = faults_after(
            database,
            f"UPDATE ledger.posting SET amount = amount + 1 WHERE seq = {seqs[2]} AND line = 1;"
            f"UPDATE ledger.seal_leaf l SET hash = sha256('\\x00'::bytea || d.data) FROM ledger.leaf_data({seqs[2]} - 1, {seqs[2]}) d"
            " WHERE l.seq = d.seq",
        )
        assert any(fault["fault"] == "root differs" for fault in faults)

    def test_a_forged_checkpoint_is_not_signed(self, sealed_copy: Any) -> None:
        database, _ = sealed_copy
        faults = faults_after(
            database,
            "UPDATE ledger.seal SET note = replace(note, E'\\n\\n', E'x\\n\\n') WHERE n = (SELECT max(n) FROM ledger.seal)",
        )
        assert any("signed" in fault["fault"] for fault in faults)


def other_sql(name: str) -> str:
    """Return SQL for another value of the column."""
    if name in ("organisation_id", "key"):
        return "gen_random_uuid()"
    if name == "xid":
        return "'1'"
    if name == "effective_date":
        return "effective_date + 1"
    if name == "recorded_at":
        return "recorded_at + interval '1 microsecond'"
    if name == "metadata":
        return """'{"a": 1}'"""
    if name in ("kind", "actor", "reference", "currency"):
        return f"{name} || 'x'"
    return f"coalesce({name}, 0) + 1"


class TestSealer:
    def test_a_transaction_held_open_is_covered_by_the_next_seal(self, funded: Book, owner_sql: Any) -> None:
        from .test_read_models import _POST, _arguments

        funded.open("carol")
        seal()
        address = settings.DATABASES["default"]
        with psycopg.connect(host=address["HOST"], dbname=address["NAME"], user="bezant_app") as held:
            held.execute("SELECT set_config('bezant.organisation', %s, false)", [str(funded.organisation_id)])
            held.execute(_POST, _arguments(funded, funded["alice"], funded["bob"], 11))
            later = funded.post(("cash", "carol", 5))
            seal(waited_s_max=0.1)  # in vain: the transaction is held open
            held.commit()
        funded.post(("cash", "carol", 6))
        seal()

        unsealed = owner_sql(
            "SELECT j.seq FROM ledger.journal j LEFT JOIN ledger.seal_leaf s USING (seq) WHERE s.seq IS NULL"
        )
        assert unsealed == []
        assert owner_sql("SELECT count(*) FROM ledger.seal_leaf WHERE seq = %s", [later.seq]) == [(1,)]
        report = proving.verify_log()
        assert report.ok, report.faults

    def test_two_sealers_do_not_work_at_once(self, funded: Book) -> None:
        with connect_sealer() as one, connect_sealer() as other:
            with one.transaction():
                one.execute("SELECT rows_found FROM ledger.seal_window(10)").fetchone()
                assert sealing.seal_once(other) is None
                raise psycopg.Rollback
        assert seal() >= 1

    def test_the_application_may_not_seal(self, funded: Book, sql_as: Any) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql_as("bezant_app")("SELECT ledger.seal_window(10)")

    def test_every_checkpoint_is_anchored_once(
        self, funded: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "LEDGER_ANCHOR_FILE", tmp_path / "anchor.jsonl", raising=False)
        seal()
        funded.post(("alice", "bob", 1))
        seal()
        seal()

        numbers = [entry["n"] for entry in sealing.anchored()]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_proof_of_another_organisation_is_not_given(db: None) -> None:
    book = make_book(uuid.uuid4(), uuid.uuid4())
    posted = book.post(("cash", "alice", 1000))
    seal()
    with tenancy.scope(uuid.uuid4()), pytest.raises(ledger.UnknownJournal):
        proving.prove(seq=posted.seq)
