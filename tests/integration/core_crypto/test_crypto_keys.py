"""Subject keys in their table: first use, isolation, destruction and rotation while others work."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.core.crypto import runtime
from apps.core.crypto.checks import check_key_provider
from apps.core.crypto.context import Context
from apps.core.crypto.envelope import key_id_of
from apps.core.crypto.erasure import destroy_subject_key
from apps.core.crypto.errors import KeyDestroyed, KeysUnavailable, Unreadable
from apps.core.crypto.runtime import key_ring, provider
from apps.core.crypto.store import TableKeyStore
from apps.core.tenancy import scope

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def place(bank):
    return Context("sandbox", bank, "contact", "accounts_party", "email", uuid.uuid4())


def seal(bank, subject, text=b"ada", context=None):
    return key_ring().seal(text, context=context or place(bank), subject_id=subject)


@pytest.fixture
def bank(db):
    return uuid.uuid4()


@pytest.fixture
def ada():
    return uuid.uuid4()


class TestFirstUse:
    def test_twenty_transactions_at_once_share_one_key(self, bank, ada, in_threads):
        context = place(bank)

        def work(_):
            with scope(bank):
                return seal(bank, ada, context=context)

        sealed = in_threads(work, range(20))

        assert len({key_id_of(value) for value in sealed}) == 1
        with scope(bank):
            key_ring().forget_all()
            assert {key_ring().open(value, context=context) for value in sealed} == {b"ada"}

    def test_key_of_a_rolled_back_transaction_is_never_used_again(self, bank, ada):
        with pytest.raises(ZeroDivisionError), scope(bank):
            lost = seal(bank, ada)
            raise ZeroDivisionError
        with scope(bank):
            kept = seal(bank, ada)
            assert key_id_of(kept) != key_id_of(lost)


class TestIsolation:
    def test_keys_of_other_organisations_cannot_be_seen(self, bank, ada):
        with scope(bank):
            key_id = key_id_of(seal(bank, ada))
        with scope(uuid.uuid4()):
            assert TableKeyStore().by_id(key_id) is None
        with transaction.atomic():
            assert TableKeyStore().by_id(key_id) is None

    def test_key_cannot_be_made_for_another_organisation(self, bank, ada):
        with pytest.raises(DatabaseError, match="row-level security"), scope(uuid.uuid4()):
            seal(bank, ada)

    @pytest.mark.parametrize("role", ["bezant_reader", "bezant_sealer", "bezant_vault"])
    def test_other_roles_cannot_read_subject_keys(self, bank, sql_as, role):
        with pytest.raises(Exception, match="permission denied"):
            sql_as(role)("SELECT wrapped FROM core_subjectkey")


class TestDestruction:
    def test_destroyed_key_is_gone_from_its_row(self, bank, ada, owner_sql):
        context = place(bank)
        with scope(bank):
            sealed = seal(bank, ada, context=context)
        with scope(bank):
            assert destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
        with scope(bank), pytest.raises(KeyDestroyed):
            key_ring().open(sealed, context=context)
        with scope(bank), pytest.raises(KeyDestroyed):
            seal(bank, ada)
        ((wrapped, destroyed_at),) = owner_sql(
            "SELECT wrapped, destroyed_at FROM core_subjectkey WHERE subject_id = %s", [ada]
        )
        assert wrapped is None
        assert destroyed_at == AT

    def test_rolled_back_destruction_changes_nothing(self, bank, ada):
        context = place(bank)
        with scope(bank):
            sealed = seal(bank, ada, context=context)
        with pytest.raises(ZeroDivisionError), scope(bank):
            destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
            raise ZeroDivisionError
        with scope(bank):
            key_ring().forget_all()
            assert key_ring().open(sealed, context=context) == b"ada"

    def test_second_destruction_and_one_without_a_key_do_nothing_more(self, bank, ada):
        with scope(bank):
            seal(bank, ada)
            assert destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
            assert not destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)

    def test_subject_erased_before_its_first_value_stays_erased(self, bank, ada):
        with scope(bank):
            assert not destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
            with pytest.raises(KeyDestroyed):
                seal(bank, ada)

    def test_outside_of_a_transaction_is_an_error(self, bank, ada):
        with pytest.raises(RuntimeError, match="transaction"):
            destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)

    def test_destruction_waits_for_a_writer_and_stops_the_next(self, bank, ada, in_threads):
        sealed_it, order = threading.Event(), []

        def work(role):
            if role == "writer":
                with scope(bank):
                    seal(bank, ada)
                    sealed_it.set()
                    # Long enough for the destruction to reach the lock.
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_sleep(0.3)")
                    order.append("written")
            else:
                sealed_it.wait(10)
                with scope(bank):
                    destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
                    order.append("destroyed")

        assert in_threads(work, ["writer", "eraser"]) == [None, None]
        assert order == ["written", "destroyed"]

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM core_subjectkey WHERE subject_id = %s",
            "UPDATE core_subjectkey SET subject_id = gen_random_uuid() WHERE subject_id = %s",
            "UPDATE core_subjectkey SET key_id = 'xxxxxxxx' WHERE subject_id = %s",
            "UPDATE core_subjectkey SET wrapped = NULL WHERE subject_id = %s",
            "UPDATE core_subjectkey SET destroyed_at = now() WHERE subject_id = %s",
        ],
    )
    def test_owner_himself_cannot_misuse_a_key(self, bank, ada, owner_sql, statement):
        with scope(bank):
            seal(bank, ada)
        with pytest.raises(Exception, match="not possible|cannot be changed|destroyed_is_empty"):
            owner_sql(statement, [ada])

    def test_destroyed_key_cannot_be_put_back(self, bank, ada, owner_sql):
        with scope(bank):
            seal(bank, ada)
        ((before,),) = owner_sql("SELECT wrapped FROM core_subjectkey WHERE subject_id = %s", [ada])
        with scope(bank):
            destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
        with pytest.raises(Exception, match="destroyed key cannot be changed"):
            owner_sql(
                "UPDATE core_subjectkey SET wrapped = %s, destroyed_at = NULL WHERE subject_id = %s",
                [before, ada],
            )
        with pytest.raises(Exception, match="not possible"):
            owner_sql("TRUNCATE core_subjectkey")


def rotate_keys(*options):
    said = StringIO()
    call_command("rotate_keys", "--json", *options, stdout=said, stderr=StringIO())
    return json.loads(said.getvalue())


def version_of(owner_sql, subject):
    return owner_sql("SELECT kek_version FROM core_subjectkey WHERE subject_id = %s", [subject])[0][0]


class TestRotation:
    def test_every_key_is_wrapped_again_and_every_value_opens(self, bank, owner_sql):
        subjects = [(uuid.uuid4(), place(bank)) for _ in range(7)]
        with scope(bank):
            sealed = [seal(bank, subject, context=context) for subject, context in subjects]

        result = rotate_keys()

        assert result["left"] == 0
        assert result["damaged"] == []
        assert result["rewrapped"] >= 7
        assert {version_of(owner_sql, subject) for subject, _ in subjects} == {result["version"]}
        key_ring().forget_all()
        with scope(bank):
            for value, (_, context) in zip(sealed, subjects, strict=True):
                assert key_ring().open(value, context=context) == b"ada"

    def test_dry_run_counts_and_changes_nothing(self, bank, ada, owner_sql):
        with scope(bank):
            seal(bank, ada)
        before, version = version_of(owner_sql, ada), provider().current_version()
        result = rotate_keys("--dry-run")
        assert result["dry_run"]
        assert sum(row["count"] for row in result["keys"] if row["kind"] == "subject") >= 1
        assert (version_of(owner_sql, ada), provider().current_version()) == (before, version)

    def test_destroyed_key_stays_destroyed(self, bank, ada):
        with scope(bank):
            seal(bank, ada)
            destroy_subject_key(organisation_id=bank, subject_id=ada, at=AT)
        rotate_keys()
        with scope(bank), pytest.raises(KeyDestroyed):
            seal(bank, ada)

    def test_key_in_use_is_named_and_done_by_the_next_run(self, bank, ada, owner_sql, in_threads):
        with scope(bank):
            seal(bank, ada)
        locked, rotated = threading.Event(), threading.Event()

        def work(role):
            if role == "writer":
                with scope(bank):
                    seal(bank, ada)
                    locked.set()
                    assert rotated.wait(20)
            else:
                assert locked.wait(20)
                try:
                    rotate_keys()
                finally:
                    rotated.set()

        done, refused = in_threads(work, ["writer", "officer"])
        assert done is None
        assert isinstance(refused, CommandError)
        assert "1 keys" in str(refused)
        assert rotate_keys("--resume")["left"] == 0
        assert version_of(owner_sql, ada) == provider().current_version()

    def test_damaged_key_is_named_and_keeps_no_other_from_being_done(self, bank, ada, owner_sql):
        healthy = uuid.uuid4()
        with scope(bank):
            damaged_id = key_id_of(seal(bank, ada)).hex()
            seal(bank, healthy)
        ((wrapped,),) = owner_sql("SELECT wrapped FROM core_subjectkey WHERE subject_id = %s", [ada])
        owner_sql("UPDATE core_subjectkey SET wrapped = wrapped || '\\x00' WHERE subject_id = %s", [ada])
        try:
            with pytest.raises(CommandError, match=damaged_id):
                rotate_keys()
            assert version_of(owner_sql, healthy) == provider().current_version()
            assert version_of(owner_sql, ada) < provider().current_version()
        finally:
            owner_sql("UPDATE core_subjectkey SET wrapped = %s WHERE subject_id = %s", [wrapped, ada])
        assert rotate_keys("--resume")["damaged"] == []

    def test_writers_go_on_during_a_rotation(self, bank, in_threads):
        def work(number):
            if number == 0:
                try:
                    rotate_keys()
                except CommandError:  # keys in use at that moment; the next test of it is above
                    pass
                return []
            values = []
            for _ in range(15):
                subject, context = uuid.uuid4(), place(bank)
                with scope(bank):
                    values.append((seal(bank, subject, context=context), context))
            return values

        answers = in_threads(work, range(5))
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        assert rotate_keys("--resume")["left"] == 0
        key_ring().forget_all()
        with scope(bank):
            for value, context in [pair for answer in answers for pair in answer]:
                assert key_ring().open(value, context=context) == b"ada"


class TestTampering:
    def test_wrapped_key_of_another_subject_is_refused(self, bank, ada, owner_sql):
        bob, context = uuid.uuid4(), place(bank)
        with scope(bank):
            sealed = seal(bank, ada, context=context)
            seal(bank, bob)
        ((own,),) = owner_sql("SELECT wrapped FROM core_subjectkey WHERE subject_id = %s", [ada])
        owner_sql(
            "UPDATE core_subjectkey SET wrapped = (SELECT wrapped FROM core_subjectkey WHERE subject_id = %s)"
            " WHERE subject_id = %s",
            [bob, ada],
        )
        key_ring().forget_all()
        with scope(bank), pytest.raises(Unreadable):
            key_ring().open(sealed, context=context)
        owner_sql("UPDATE core_subjectkey SET wrapped = %s WHERE subject_id = %s", [own, ada])


class TestKeyFile:
    def test_lost_key_file_is_not_made_anew_over_stored_keys(self, bank, ada, settings, tmp_path):
        with scope(bank):
            seal(bank, ada)
        settings.KEY_FILE = tmp_path / "keys.json"
        with pytest.raises(KeysUnavailable, match="restore it from its backup"):
            runtime.local_file_provider()
        assert not settings.KEY_FILE.exists()

    def test_key_file_is_refused_where_it_is_not_allowed(self, db, settings):
        settings.KEY_FILE_ALLOWED = False
        settings.DEBUG = False
        with pytest.raises(KeysUnavailable, match="for development"):
            runtime.local_file_provider()
        assert [problem.id for problem in check_key_provider()] == ["core.E110"]

    def test_check_is_silent_where_it_is_allowed_or_another_provider_is_named(self, settings):
        settings.KEY_FILE_ALLOWED = True
        assert check_key_provider() == []
        settings.KEY_FILE_ALLOWED, settings.KEY_PROVIDER = False, "somewhere.else.hsm"
        assert check_key_provider() == []
