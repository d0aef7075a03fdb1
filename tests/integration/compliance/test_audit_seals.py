"""The record is proven: each kind of tampering is found, even by whoever can pass every trigger and grant.

The attacks run as the superuser with triggers off, in a transaction that the verification looks into
and that is then rolled back.
"""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from apps.compliance import public as compliance
from apps.compliance import sealing, tasks
from apps.compliance.verification import verify
from apps.core import signing
from apps.core.actors import Actor
from apps.core.merkle import root_of
from apps.core.ports import AuditRecord
from apps.core.sealer import connect_sealer
from apps.core.tenancy import scope
from tests.horizon import pass_horizon

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADA = Actor("staff", "usr_ada", None, frozenset())


def write(bank, count=1, **values):
    records = [
        AuditRecord(
            organisation_id=bank, actor=ADA, action="payments.create", outcome="done", at=AT, **values
        )
        for _ in range(count)
    ]
    with scope(bank):
        compliance.write_audit(records)


def seal(limit=sealing.WINDOW_LENGTH_MAX):
    pass_horizon(waited_s_max=3)
    made = []
    with connect_sealer() as sealer:
        while (one := sealing.seal_once(sealer, limit=limit)) is not None:
            made.append(one)
        sealing.anchor(sealer)
    return made


def check(rows, anchors=None):
    keys = signing.public_keys(sealing.PURPOSE)
    return verify(rows, keys=keys, anchors=sealing.anchored() if anchors is None else anchors)


def verify_audit(*options):
    said = StringIO()
    call_command("verify_audit", "--json", *options, stdout=said, stderr=StringIO())
    return json.loads(said.getvalue())


@pytest.fixture(scope="session")
def anchors_of_this_database(database, tmp_path_factory):
    # Each worker has a database of its own, and so needs a file of its own.
    return tmp_path_factory.mktemp("anchors") / "checkpoints.jsonl"


@pytest.fixture
def bank(db, settings, anchors_of_this_database):
    settings.AUDIT_ANCHOR_FILE = anchors_of_this_database
    bank = uuid.uuid4()
    write(bank, 3)
    seal()
    write(bank, 4)
    seal()
    return bank


@pytest.fixture
def attack(database, bank):
    """Give a function that runs statements with every guard off, shows the result to `check`, and undoes it."""

    @contextmanager
    def run(*statements):
        host = django_settings.DATABASES["default"]["HOST"]
        with psycopg.connect(host=host, dbname=database, user="postgres") as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount >= 1, statement
            yield lambda query, parameters: connection.execute(query, parameters or None)
            connection.rollback()

    return run


def newest(bank, place=0):
    return (
        "(SELECT e.id FROM compliance_auditentry e JOIN compliance_sealedleaf l ON l.entry_id = e.id"
        f" WHERE organisation_id = '{bank}' ORDER BY l.seq DESC LIMIT 1 OFFSET {place})"
    )


class TestSealing:
    def test_all_settled_entries_are_sealed_in_one_growing_tree(self, bank):
        seal()
        before = verify_audit()
        write(bank, 5)
        made = seal(limit=2)
        after = verify_audit()

        assert [one.tree_size for one in made] == [before["sealed"] + size for size in (2, 4, 5)]
        assert (after["ok"], after["sealed"], after["seals"]) == (
            True,
            before["sealed"] + 5,
            before["seals"] + 3,
        )
        assert made[1].prev_root == made[0].root

    def test_root_is_that_of_the_leaves(self, bank, owner_sql):
        leaves = [
            bytes(row[0]) for row in owner_sql("SELECT leaf_hash FROM compliance_sealedleaf ORDER BY seq")
        ]
        ((root,),) = owner_sql("SELECT root FROM compliance_seal ORDER BY n DESC LIMIT 1")
        assert bytes(root) == root_of(leaves)

    def test_nothing_new_makes_no_seal(self, bank):
        assert seal() == []

    def test_entry_of_a_running_transaction_holds_back_those_after_it_only_in_time(self, bank):
        with scope(bank):
            compliance.write_audit(
                [AuditRecord(organisation_id=bank, actor=ADA, action="slow", outcome="done", at=AT)]
            )
            assert seal() == []
        assert [one.tree_size for one in seal()] == [verify_audit()["sealed"]]

    def test_second_sealer_at_the_same_time_does_nothing(self, bank):
        write(bank)
        pass_horizon()
        with connect_sealer() as first, connect_sealer() as second:
            with first.transaction():
                assert sealing.seal_once(first) is not None
                assert sealing.seal_once(second) is None
        assert verify_audit()["ok"]

    def test_sealers_and_writers_at_once_leave_a_sound_tree(self, bank, in_threads):
        def work(number):
            for _ in range(10):
                if number < 2:
                    seal(limit=3)
                else:
                    write(bank, 2)

        assert in_threads(work, range(5)) == [None] * 5
        seal()
        assert verify_audit()["ok"]

    @pytest.mark.parametrize("role", ["bezant_app", "bezant_reader", "bezant_owner"])
    @pytest.mark.parametrize("table", ["compliance_seal", "compliance_sealedleaf"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
    def test_nobody_takes_a_seal_back(self, bank, sql_as, role, table, statement):
        with pytest.raises(psycopg.Error, match="permission denied|append-only"):
            sql_as(role)(statement.format(table))

    def test_application_cannot_make_a_seal(self, bank, sql_as):
        with pytest.raises(psycopg.Error, match="permission denied"):
            sql_as("bezant_app")("INSERT INTO compliance_sealedleaf VALUES (0, gen_random_uuid(), '')")


class TestAttacks:
    def test_untouched_record_is_sound(self, bank, attack):
        with attack() as rows:
            assert check(rows).ok

    @pytest.mark.parametrize(
        "change",
        [
            "actor_id = 'usr_eve'", "data = '[]'", "organisation_id = NULL", "at = at - interval '1 day'",
            "recorded_at = recorded_at - interval '1 microsecond'", "leaf_hash = sha256('x')", "outcome = 'denied'",
        ],
    )  # fmt: skip
    def test_edited_entry(self, bank, attack, change):
        with attack(f"UPDATE compliance_auditentry SET {change} WHERE id = {newest(bank)}") as rows:
            assert set(check(rows).counts) == {"altered"}

    def test_edited_entry_with_its_hash_made_anew(self, bank, attack):
        target = newest(bank)
        with attack(
            f"UPDATE compliance_auditentry SET actor_id = 'usr_eve' WHERE id = {target}",
            f"UPDATE compliance_auditentry e SET leaf_hash = compliance_leaf_hash(e) WHERE id = {target}",
        ) as rows:
            assert set(check(rows).counts) == {"altered"}

    def test_edited_entry_with_leaf_made_anew_as_well(self, bank, attack):
        target = newest(bank)
        with attack(
            f"UPDATE compliance_auditentry SET actor_id = 'usr_eve' WHERE id = {target}",
            f"UPDATE compliance_auditentry e SET leaf_hash = compliance_leaf_hash(e) WHERE id = {target}",
            "UPDATE compliance_sealedleaf l SET leaf_hash = e.leaf_hash FROM compliance_auditentry e"
            " WHERE e.id = l.entry_id AND e.leaf_hash <> l.leaf_hash",
        ) as rows:
            assert set(check(rows).counts) == {"bad_root"}

    def test_deleted_entry(self, bank, attack):
        with attack(f"DELETE FROM compliance_auditentry WHERE id = {newest(bank)}") as rows:
            assert set(check(rows).counts) == {"missing"}

    def test_deleted_entry_with_its_leaf(self, bank, attack):
        with attack(
            f"DELETE FROM compliance_auditentry WHERE id = {newest(bank, 2)}",
            "DELETE FROM compliance_sealedleaf l"
            " WHERE NOT EXISTS (SELECT FROM compliance_auditentry e WHERE e.id = l.entry_id)",
        ) as rows:
            assert "misplaced" in check(rows).counts

    def test_entry_inserted_behind_a_seal(self, bank, attack):
        with attack(
            "INSERT INTO compliance_auditentry SELECT gen_random_uuid(), '3', organisation_id, actor_kind, 'usr_eve',"
            " action, outcome, reason, object_type, object_id, command_id, correlation_id, data, at, recorded_at"
            f" FROM compliance_auditentry WHERE id = {newest(bank)}",
            "UPDATE compliance_auditentry e SET leaf_hash = compliance_leaf_hash(e) WHERE actor_id = 'usr_eve'",
        ) as rows:
            assert set(check(rows).counts) == {"behind_seal"}

    def test_two_entries_that_changed_places(self, bank, attack):
        first, second = newest(bank), newest(bank, 1)
        with attack(
            f"CREATE TEMP TABLE swap AS SELECT {first} AS a, {second} AS b",
            "UPDATE compliance_sealedleaf SET seq = seq + 1000000 FROM swap WHERE entry_id = a",
            "UPDATE compliance_sealedleaf SET seq = seq + 1 FROM swap WHERE entry_id = b",
            "UPDATE compliance_sealedleaf SET seq = seq - 1000001 FROM swap WHERE entry_id = a",
        ) as rows:
            assert set(check(rows).counts) == {"bad_root"}

    def test_changed_root(self, bank, attack):
        with attack("UPDATE compliance_seal SET root = sha256('x') WHERE n = 1") as rows:
            assert {"bad_root", "bad_signature", "bad_anchor"} <= set(check(rows).counts)

    def test_root_signed_with_another_key(self, bank, attack):
        with attack("UPDATE compliance_seal SET signature = sha256('x') || sha256('y') WHERE n = 1") as rows:
            assert set(check(rows).counts) == {"bad_signature"}

    def test_seal_taken_out_of_the_middle(self, bank, attack):
        with attack("DELETE FROM compliance_seal WHERE n = (SELECT max(n) - 1 FROM compliance_seal)") as rows:
            assert {"bad_root", "bad_anchor"} <= set(check(rows).counts)

    def test_end_of_the_record_cut_off_cleanly(self, bank, attack):
        with attack(
            "DELETE FROM compliance_seal WHERE n = (SELECT max(n) FROM compliance_seal)",
            "DELETE FROM compliance_auditentry WHERE id IN (SELECT entry_id FROM compliance_sealedleaf"
            " WHERE seq >= (SELECT max(tree_size) FROM compliance_seal))",
            "DELETE FROM compliance_sealedleaf WHERE seq >= (SELECT max(tree_size) FROM compliance_seal)",
        ) as rows:
            # Nothing in the database tells of it any more; the anchor outside does.
            assert check(rows, anchors=[]).ok
            assert set(check(rows).counts) == {"bad_anchor"}

    def test_whole_record_emptied(self, bank, attack):
        with attack("DELETE FROM compliance_seal", "DELETE FROM compliance_sealedleaf",
                    "DELETE FROM compliance_auditentry") as rows:  # fmt: skip
            assert set(check(rows).counts) == {"bad_anchor"}


class TestTasks:
    def test_task_seals_what_has_settled(self, bank):
        write(bank)
        pass_horizon()
        tasks.seal_audit()
        assert verify_audit()["unsealed"] == 0

    def test_task_expires_what_nobody_decided_about(self, bank):
        approval_id = compliance.require_approval(
            name="tests.wait",
            version=1,
            payload={},
            organisation_id=None,
            actor=ADA,
            at=AT,
            target="",
            four_eyes=False,
        )
        assert approval_id is None
        with scope(bank):
            approval_id = compliance.require_approval(
                name="tests.wait",
                version=1,
                payload={},
                organisation_id=bank,
                actor=ADA,
                at=AT,
                target="",
                four_eyes=True,
            )
        tasks.expire_requests()
        with scope(bank):
            assert compliance.approval_of(approval_id).state == "expired"


class TestCommand:
    def test_sound_record_exits_well_and_counts(self, bank):
        write(bank)
        report = verify_audit()
        assert report["ok"]
        assert report["unsealed"] >= 1
        assert report["entries"] == report["sealed"] + report["unsealed"]
        call_command("seal_audit", stdout=StringIO())
        assert verify_audit("--unsealed-s-max", "0")["unsealed"] == 0

    def test_entry_that_waits_too_long_for_its_seal_is_told(self, bank):
        write(bank)
        with pytest.raises(CommandError) as caught:
            verify_audit("--unsealed-s-max", "-1")
        assert caught.value.returncode == 7
        seal()

    def test_each_finding_has_its_exit_code(self, bank, admin_sql):
        off = "SET session_replication_role = replica"
        ((entry,),) = admin_sql(f"SELECT {newest(bank)}")
        ((actor,),) = admin_sql("SELECT actor_id FROM compliance_auditentry WHERE id = %s", [entry])
        admin_sql(f"{off}; UPDATE compliance_auditentry SET actor_id = 'usr_eve' WHERE id = '{entry}'")
        try:
            with pytest.raises(CommandError, match=str(entry)) as caught:
                verify_audit()
            assert caught.value.returncode == 2
        finally:
            admin_sql(f"{off}; UPDATE compliance_auditentry SET actor_id = '{actor}' WHERE id = '{entry}'")
        assert verify_audit()["ok"]

    def test_anchor_of_another_record_is_told(self, bank, settings, tmp_path):
        settings.AUDIT_ANCHOR_FILE = tmp_path / "foreign.jsonl"
        settings.AUDIT_ANCHOR_FILE.write_text(
            'cut sh\n{"n": 1, "tree_size": 1, "root": "00", "key_version": 1, "signature": ""}\n'
        )
        with pytest.raises(CommandError) as caught:
            verify_audit()
        assert caught.value.returncode == 6
