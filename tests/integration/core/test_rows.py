"""Many rows with one statement: the same rows that instances saved one by one would be."""

import uuid
from datetime import date

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from apps.compliance.models import AuditEntry
from apps.core import clock, tenancy
from apps.core.errors import Invalid
from apps.core.rows import ROWS_MAX, _element, insert_rows, insert_values
from apps.payments.models import BankHoliday, Counterparty

AWKWARD = "a \"quoted\", {braced} \\ back\nline, NULL, é€, 'single'"


@pytest.fixture
def scoped(organisation_id):
    with tenancy.scope(organisation_id):
        yield organisation_id
        transaction.set_rollback(True)


def holiday(day=date(2090, 1, 1), name="Tests"):
    return BankHoliday(
        id=uuid.uuid4(), calendar="FED", day=day, name=name, source="tests", source_version="1"
    )


class TestInsertRows:
    def test_keep_every_sign_and_let_the_database_fill_its_own(self, scoped):
        row = holiday(name=AWKWARD)

        assert insert_rows(BankHoliday, [row]) == 1

        stored = BankHoliday.objects.get(pk=row.pk)
        assert (stored.name, stored.day) == (AWKWARD, row.day)
        assert stored.recorded_at is not None
        assert not row._state.adding

    def test_never_drop_a_value_because_the_first_row_has_none(self, scoped):
        given = holiday(date(2090, 1, 2))
        given.recorded_at = clock.database_now()

        with pytest.raises(TypeError):
            insert_rows(BankHoliday, [holiday(), given])

    def test_seal_what_is_personal(self, scoped):
        rows = [
            Counterparty(
                id=uuid.uuid4(), organisation_id=scoped, name=f"Zoë {number}", iban="NL91ABNA0417164300",
                country="NL", created_at=clock.database_now(),
            )
            for number in range(3)
        ]  # fmt: skip

        insert_rows(Counterparty, rows)

        stored = {row.pk: row for row in Counterparty.objects.all()}
        assert [stored[row.pk].name.reveal() for row in rows] == ["Zoë 0", "Zoë 1", "Zoë 2"]
        assert stored[rows[0].pk].town is None and stored[rows[0].pk].name_index

    def test_go_in_chunks(self, scoped):
        days = [date.fromordinal(date(2100, 1, 1).toordinal() + number) for number in range(ROWS_MAX + 5)]

        assert insert_rows(BankHoliday, [holiday(day) for day in days]) == ROWS_MAX + 5

    def test_pass_over_what_is_there_only_when_told_to(self, scoped):
        insert_rows(BankHoliday, [holiday()])

        assert insert_rows(BankHoliday, [holiday()], or_ignore=True) == 0
        with pytest.raises(IntegrityError), transaction.atomic():
            insert_rows(BankHoliday, [holiday()])

    def test_refuse_what_is_too_long_rather_than_cut_it(self, scoped):
        with pytest.raises(DataError), transaction.atomic():
            insert_rows(BankHoliday, [holiday(name="x" * 81)])

    def test_of_none_are_nothing(self, scoped):
        assert insert_rows(BankHoliday, []) == 0
        insert_values(AuditEntry, ("id",), [])

    def test_refuse_a_kind_of_value_they_cannot_write(self):
        with pytest.raises(TypeError):
            _element(1.5)


class TestKeysAtHand:
    def test_seal_and_open_with_a_number_of_statements_that_does_not_grow(self, scoped):
        from django.test.utils import CaptureQueriesContext

        from apps.core.crypto.runtime import key_ring

        rows = [
            Counterparty(
                id=uuid.uuid4(), organisation_id=scoped, name=f"Name {number}", iban="NL91ABNA0417164300",
                country="NL", created_at=clock.database_now(),
            )
            for number in range(20)
        ]  # fmt: skip
        with (
            CaptureQueriesContext(connection) as written,
            key_ring().at_hand([(scoped, row.pk) for row in rows], to_seal=True),
        ):
            insert_rows(Counterparty, rows)
        key_ring().forget_all()
        with CaptureQueriesContext(connection) as opened:
            found = list(Counterparty.objects.filter(pk__in=[row.pk for row in rows]))
            with key_ring().at_hand([(scoped, row.pk) for row in found]):
                names = {row.name.reveal() for row in found}

        assert names == {f"Name {number}" for number in range(20)}
        assert len(written) <= 4 and len(opened) <= 2

    def test_of_an_erased_person_open_and_seal_nothing(self, scoped):
        from apps.core.crypto.erasure import destroy_subject_key
        from apps.core.crypto.errors import KeyDestroyed
        from apps.core.crypto.runtime import key_ring

        row = Counterparty(
            id=uuid.uuid4(), organisation_id=scoped, name="Name", iban="NL91ABNA0417164300", country="NL",
            created_at=clock.database_now(),
        )  # fmt: skip
        insert_rows(Counterparty, [row])
        destroy_subject_key(organisation_id=scoped, subject_id=row.pk, at=clock.database_now())
        (found,) = Counterparty.objects.filter(pk=row.pk)

        with key_ring().at_hand([(scoped, row.pk)]), pytest.raises(KeyDestroyed):
            found.name.reveal()
        with key_ring().at_hand([(scoped, row.pk)], to_seal=True), pytest.raises((KeyDestroyed, Invalid)):
            found.name = "Other"
            found.save()
