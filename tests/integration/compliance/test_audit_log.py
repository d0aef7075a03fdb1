"""The audit log takes entries and gives nothing back: it cannot be changed, and it shows its own."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from apps.compliance import public as compliance
from apps.compliance.models import AuditEntry
from apps.compliance.verification import COLUMNS, hash_of
from apps.core import ids
from apps.core.actors import Actor, system_actor
from apps.core.ports import AuditRecord
from apps.core.tenancy import PLATFORM, scope

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "compliance" / "leaf_hashes.json").read_text())[
    "cases"
]
ADA = Actor("staff", "usr_ada", None, frozenset())


@pytest.fixture
def bank(db):
    return uuid.uuid4()


def record(bank, **values):
    fields = {
        "organisation_id": bank,
        "actor": ADA,
        "action": "payments.create",
        "outcome": "done",
        "at": AT,
        "object_type": "payment",
        "object_id": ids.public_id("pay", uuid.uuid4()),
        "correlation_id": "c" * 16,
    }
    return AuditRecord(**{**fields, **values})


def entries():
    rows = AuditEntry.objects.order_by("id").values_list(*COLUMNS, "leaf_hash")
    return [(row[:-1], bytes(row[-1])) for row in rows]


def write(bank, **values):
    written = record(bank, **values)
    with scope(bank or PLATFORM):
        compliance.write_audit([written])
    return written


class TestLeafHash:
    @pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
    def test_database_gives_the_recorded_hash(self, db, case):
        values = [case["entry"][name] for name in COLUMNS]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT compliance_leaf_hash(ROW(%s::uuid, %s::text::xid8, %s::uuid, %s, %s, %s, %s, %s, %s, %s,"
                " %s::uuid, %s, %s, %s::timestamptz, %s::timestamptz, NULL)::compliance_auditentry)",
                [str(value) if name == "xid" else value for name, value in zip(COLUMNS, values, strict=True)],
            )
            assert bytes(cursor.fetchone()[0]).hex() == case["leaf_hash"]

    def test_stored_hash_is_what_python_computes(self, bank):
        write(bank, data={"note": "Größe \x00 \u202e \x1b[31m"}, reason="x")
        with scope(bank):
            ((values, stored),) = entries()
        assert hash_of(values) == stored

    def test_writer_chooses_neither_hash_nor_time_nor_transaction(self, bank):
        with scope(bank), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO compliance_auditentry (id, xid, organisation_id, actor_kind, actor_id, action, outcome,"
                " reason, object_type, object_id, correlation_id, data, at, recorded_at, leaf_hash)"
                " VALUES (gen_random_uuid(), '1', %s, 'staff', 'usr_eve', 'a', 'done', '', '', '', '', '{}',"
                " now(), '2001-01-01', 'forged') RETURNING xid = pg_current_xact_id(), recorded_at, leaf_hash",
                [bank],
            )
            own, recorded_at, leaf = cursor.fetchone()
        assert own
        assert recorded_at.year > 2001
        assert bytes(leaf) != b"forged"


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE compliance_auditentry SET actor_id = 'usr_eve'",
            "DELETE FROM compliance_auditentry",
            "TRUNCATE compliance_auditentry",
        ],
    )
    @pytest.mark.parametrize("role", ["bezant_app", "bezant_owner", "bezant_reader", "bezant_sealer"])
    def test_nobody_changes_an_entry(self, bank, sql_as, statement, role):
        write(bank)
        with pytest.raises(psycopg.Error, match="permission denied|append-only"):
            sql_as(role)(f"SET bezant.organisation = '*'; {statement}")

    def test_entry_that_cannot_be_written_undoes_what_it_tells_of(self, bank):
        with pytest.raises(DatabaseError), scope(bank):
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('bezant.done', 'yes', true)")
            compliance.write_audit([record(bank, outcome="x" * 21)])


class TestIsolation:
    def test_organisation_sees_its_own_entries_only(self, bank):
        shop = uuid.uuid4()
        write(bank)
        write(shop)
        with scope(bank):
            assert {values[2] for values, _ in entries()} == {bank}
        with transaction.atomic():
            assert entries() == []

    def test_entry_of_another_organisation_cannot_be_written(self, bank):
        with pytest.raises(DatabaseError, match="row-level security"), scope(bank):
            compliance.write_audit([record(uuid.uuid4())])

    def test_entry_of_the_platform_is_for_staff(self, bank):
        written = write(None, object_id=f"key_{uuid.uuid4()}")
        with scope(bank):
            assert compliance.audit_of_object(written.object_id) == []
        with scope(PLATFORM):
            assert len(compliance.audit_of_object(written.object_id)) == 1


class TestQueries:
    def test_timeline_of_an_object_is_newest_first_and_pages(self, bank):
        object_id = ids.public_id("pay", uuid.uuid4())
        for minute in range(5):
            write(bank, object_id=object_id, action=f"step.{minute}", at=AT.replace(minute=minute))
        with scope(bank):
            first = compliance.audit_of_object(object_id, limit=3)
            rest = compliance.audit_of_object(object_id, before=first[-1].id, limit=3)
        assert [entry.action for entry in first + rest] == [f"step.{minute}" for minute in (4, 3, 2, 1, 0)]

    def test_what_an_actor_did_and_what_a_request_caused_are_found(self, bank):
        actor = system_actor(f"job-{uuid.uuid4()}")
        write(bank, actor=actor, correlation_id=actor.id[:40], data={"amount": 5})
        with scope(bank):
            (by_actor,) = compliance.audit_of_actor(actor.id)
            (by_request,) = compliance.audit_of_correlation(actor.id[:40])
        assert by_actor == by_request
        assert by_actor.actor == f"system:{actor.id}"
        assert by_actor.data == {"amount": 5}

    def test_page_has_a_limit(self, bank):
        object_id = ids.public_id("pay", uuid.uuid4())
        with scope(bank):
            compliance.write_audit([record(bank, object_id=object_id) for _ in range(210)])
            assert len(compliance.audit_of_object(object_id, limit=10_000)) == 200


def test_details_over_the_limit_are_kept_as_their_hash(bank):
    written = write(bank, data={"lines": ["x" * 100] * 1_000})
    with scope(bank):
        (entry,) = compliance.audit_of_object(written.object_id)
    assert set(entry.data) == {"left_out_bytes", "sha256"}
