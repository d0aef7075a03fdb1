"""Mandates: what is collected under them, and what is no longer."""

from datetime import date, timedelta

import pytest
from django.db import Error, transaction

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import Refusal
from apps.payments import public as payments
from apps.payments.commands.collections import TooSoon
from apps.payments.domain.mandates import MandateNotUsable
from apps.payments.formats import (
    GroupStatus,
    StatusReason,
    StatusReport,
    build_status_report,
    read_direct_debit,
    validate,
)
from tests.factories import SYSTEM, do
from tests.integration.payments.collecting import (
    AT,
    CREDITOR_ID,
    DEBTOR,
    collection,
    collector,
    file_of,
    mandate_row,
    on,
    payment,
    report,
    verified,
)


@pytest.fixture
def merchant(db):
    return collector()


def debit_of(key):
    """Give what the file says of a payment: its group and its entry."""
    row = payment(key)
    batch = read_direct_debit(file_of(row.batch_message_id))
    return next(
        (group, debit)
        for group in batch.groups
        for debit in group.debits
        if debit.end_to_end_id == row.end_to_end_id
    )


def export(day, execution):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        list(
            payments.export_batches(
                rail="sepa_dd", execution_date=execution, folder=Path(folder), actor=SYSTEM, at=on(day)
            )
        )


class TestWhatItSays:
    def test_goes_into_the_file_with_the_collection(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate(reference="GYM-1"), sequence_type="FRST")
        merchant.send(key, tmp_path)

        group, debit = debit_of(key)

        assert (group.creditor_id, group.creditor_name, group.sequence_type) == (
            CREDITOR_ID,
            "Example Gym GmbH",
            "FRST",
        )
        assert (debit.mandate.mandate_id, debit.mandate.signed_on) == ("GYM-1", AT.date())
        assert validate(file_of(payment(key).batch_message_id)).valid

    def test_of_an_amendment_is_told_until_a_collection_carries_it(self, merchant, tmp_path):
        mandate = merchant.mandate(reference="GYM-1")
        moved = payments.MandateDebtor("Helena Brandt", "NL91ABNA0417164300")
        do(payments.AmendMandate(merchant.id, mandate, reference="GYM-2"), at=AT)
        do(payments.AmendMandate(merchant.id, mandate, debtor=moved), at=AT)
        first, second = merchant.collect(mandate), merchant.collect(mandate)
        merchant.send(first, tmp_path)
        merchant.send(second, tmp_path)

        told, after = debit_of(first)[1], debit_of(second)[1]

        assert (told.mandate.mandate_id, told.mandate.original_mandate_id) == ("GYM-2", "GYM-1")
        assert (told.mandate.original_debtor_account, told.debtor_iban) == ("SMNDA", moved.iban)
        assert (after.mandate.mandate_id, after.mandate.amended) == ("GYM-2", False)

    def test_of_an_amendment_is_told_again_when_it_was_told_in_vain(self, merchant, tmp_path):
        mandate = merchant.mandate(reference="GYM-1")
        do(payments.AmendMandate(merchant.id, mandate, reference="GYM-2"), at=AT)
        first = merchant.collect(mandate)
        do(payments.CancelCollection(merchant.id, first), at=AT)

        again = merchant.collect(mandate)

        assert collection(again).original_reference == "GYM-1"

    def test_changes_nothing_that_was_ordered_before(self, merchant, tmp_path):
        mandate = merchant.mandate(reference="GYM-1")
        key = merchant.collect(mandate)
        do(payments.AmendMandate(merchant.id, mandate, reference="GYM-2"), at=AT)
        merchant.send(key, tmp_path)
        before = file_of(payment(key).batch_message_id)
        do(payments.AmendMandate(merchant.id, mandate, reference="GYM-3"), at=AT)

        assert debit_of(key)[1].mandate.mandate_id == "GYM-1"
        assert file_of(payment(key).batch_message_id) == before

    def test_that_changes_nothing_is_refused(self, merchant):
        mandate = merchant.mandate(reference="GYM-1")

        with pytest.raises(Refusal):
            do(payments.AmendMandate(merchant.id, mandate, reference="GYM-1"), at=AT)


class TestAFile:
    def test_has_a_group_to_scheme_sequence_and_day(self, merchant, tmp_path):
        core, b2b = merchant.mandate(), merchant.mandate(scheme="b2b")
        soon = collection(merchant.collect(core)).collection_date
        keys = [
            merchant.collect(core),
            merchant.collect(core, sequence_type="FNAL"),
            merchant.collect(b2b),
            merchant.collect(b2b, collection_date=soon + timedelta(days=1)),
        ]
        payments.prenotify_due(actor=SYSTEM, at=on(soon))
        export(soon - timedelta(days=1), soon)

        groups = {(g.instrument, g.sequence_type, g.collection_date) for g, _ in map(debit_of, keys)}

        assert len({payment(key).batch_message_id for key in keys}) == 1
        assert len(groups) == 4
        assert len({collection(key).group_reference for key in keys}) == 4

    def test_is_answered_group_by_group(self, merchant, tmp_path):
        core, b2b = merchant.collect(merchant.mandate()), merchant.collect(merchant.mandate(scheme="b2b"))
        payments.prenotify_due(actor=SYSTEM, at=on(collection(core).submit_on))
        message_id = merchant.send(core, tmp_path)
        groups = [
            GroupStatus(collection(b2b).group_reference, "RJCT", (StatusReason(code="FF01"),)),
            GroupStatus("unknown", "RJCT", (StatusReason(code="FF01"),)),
        ]
        for status in ("", "PART"):
            told = StatusReport(
                format="pain.002.001.10",
                message_id=f"{message_id[-20:]}{status}",
                created_at=AT,
                original_message_id=message_id,
                original_message_name="pain.008.001.08",
                status=status,
                groups=tuple(groups),
            )
            payments.import_status_file(build_status_report(told), file_name="s.xml", actor=SYSTEM, at=AT)

        assert (payment(core).state, payment(b2b).state) == ("sent", "rejected")

    def test_collects_late_what_missed_its_day(self, merchant):
        key = merchant.collect(merchant.mandate())
        day = collection(key).collection_date
        payments.prenotify_due(actor=SYSTEM, at=on(day))
        export(day + timedelta(days=1), day + timedelta(days=4))

        assert debit_of(key)[0].collection_date == day + timedelta(days=4)

    def test_leaves_out_what_it_is_too_early_for(self, merchant):
        key = merchant.collect(merchant.mandate())
        row = collection(key)
        payments.prenotify_due(actor=SYSTEM, at=on(row.submit_on))
        export(row.submit_on - timedelta(days=1), row.collection_date)

        assert payment(key).state == "approved"

    def test_can_be_cancelled_until_then(self, merchant, tmp_path):
        mandate = merchant.mandate()
        free, closed = merchant.collect(mandate), merchant.collect(mandate)
        do(payments.CancelCollection(merchant.id, free), at=AT)
        merchant.send(closed, tmp_path)

        with pytest.raises(Refusal) as refusal:
            do(payments.CancelCollection(merchant.id, closed), at=AT)

        assert (payment(free).state, refusal.value.code) == ("cancelled", "illegal_transition")

    def test_cannot_be_changed_behind_its_back(self, merchant, tmp_path, owner_sql):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        for change in ("reference = 'X'", "group_reference = 'X'", "signed_on = '2020-01-01'"):
            with pytest.raises(Exception, match="cannot be changed"):
                owner_sql(f"UPDATE payments_collection SET {change} WHERE id = %s", [key])
        with pytest.raises(Exception, match="never removed"):
            owner_sql("DELETE FROM payments_collection WHERE id = %s", [key])


class TestItsLife:
    def test_ends_and_what_waited_is_not_collected(self, merchant):
        mandate = merchant.mandate()
        key = merchant.collect(mandate)
        row = collection(key)
        payments.prenotify_due(actor=SYSTEM, at=on(row.submit_on))
        do(payments.CancelMandate(merchant.id, mandate, "moved away"), at=AT)
        export(row.submit_on, row.collection_date)
        unsent = payment(key).state
        payments.cancel_unmandated(actor=SYSTEM, at=on(row.submit_on))

        assert (unsent, payment(key).state, mandate_row(mandate).state) == (
            "approved",
            "cancelled",
            "cancelled",
        )
        with pytest.raises(MandateNotUsable):
            merchant.collect(mandate)
        assert verified() == []

    def test_pauses_and_what_waits_stays(self, merchant):
        mandate = merchant.mandate()
        key = merchant.collect(mandate)
        row = collection(key)
        payments.prenotify_due(actor=SYSTEM, at=on(row.submit_on))
        do(payments.SuspendMandate(merchant.id, mandate), at=AT)
        export(row.submit_on, row.collection_date)
        paused = payment(key).state
        do(payments.ResumeMandate(merchant.id, mandate), at=AT)
        export(row.submit_on, row.collection_date)

        assert (paused, payment(key).state) == ("approved", "sent")

    @pytest.mark.parametrize(
        ("code", "state"),
        [("MD01", "cancelled"), ("MD07", "cancelled"), ("AC04", "suspended"), ("AM04", "active")],
    )
    def test_is_what_a_returns_code_says(self, merchant, tmp_path, code, state):
        mandate = merchant.mandate()
        first, second = merchant.collect(mandate), merchant.collect(mandate)
        merchant.send(first, tmp_path)
        merchant.send(second, tmp_path)
        merchant.settle(first)
        merchant.settle(second)

        merchant.shows_return(first, code)
        merchant.shows_return(second, code)

        assert mandate_row(mandate).state == state
        assert verified() == []

    def test_lapses_36_months_after_its_last_collection(self, merchant, tmp_path):
        used, unused = merchant.mandate(), merchant.mandate()
        key = merchant.collect(used)
        merchant.send(key, tmp_path)
        row = mandate_row(used)
        assert (row.last_used_on, row.lapses_on) == (date(2026, 5, 18), date(2029, 5, 18))

        payments.expire_unused_mandates(actor=SYSTEM, at=on(date(2029, 5, 4)))
        assert (mandate_row(used).state, mandate_row(unused).state) == ("active", "expired")
        with pytest.raises(MandateNotUsable):
            merchant.collect(used, at=on(date(2029, 5, 18)))

    @pytest.mark.parametrize(
        ("mandate", "order"),
        [({"recurrence": "one_off"}, {}), ({}, {"sequence_type": "FNAL"})],
    )
    def test_is_used_up_by_its_only_or_last_collection(self, merchant, mandate, order):
        key = merchant.mandate(**mandate)
        first = merchant.collect(key, **order)
        with pytest.raises(MandateNotUsable):
            merchant.collect(key)
        do(payments.CancelCollection(merchant.id, first), at=AT)

        assert payment(merchant.collect(key)).state == "approved"

    def test_gives_the_debtor_the_time_that_was_agreed(self, merchant):
        agreed = merchant.mandate(prenotification_days=3)

        soon = collection(merchant.collect(agreed))
        with pytest.raises(TooSoon) as refusal:
            merchant.collect(merchant.mandate(), collection_date=soon.collection_date)

        assert (soon.collection_date, soon.prenotify_on) == (date(2026, 5, 7), AT.date())
        assert refusal.value.facts["earliest"] == "2026-05-18"


class TestOrganisations:
    def test_keep_their_mandates_and_collections_apart(self, merchant, tmp_path):
        other = collector()
        mandate = merchant.mandate()
        key = merchant.collect(mandate)
        merchant.send(key, tmp_path)
        payments.import_status_file(
            report(
                payment(key).batch_message_id, [(payment(key).end_to_end_id, "RJCT", "MD02")], status="PART"
            ),
            file_name="s.xml",
            actor=SYSTEM,
            at=AT,
        )

        for model in (payments.Mandate, payments.Collection, payments.Return, payments.CollectionPolicy):
            with tenancy.scope(merchant.id):
                assert model.objects.exists()
            with tenancy.scope(other.id):
                assert not model.objects.exclude(organisation_id=other.id).exists()
        for command in (
            payments.CancelMandate(other.id, mandate),
            payments.CancelCollection(other.id, key),
            payments.PrenotifyCollection(other.id, key),
            payments.FinaliseCollection(other.id, key),
            payments.CreateCollection(other.id, mandate, other.inner.accounts[0], payment(key).amount),
        ):
            with pytest.raises(Refusal) as refusal:
                do(command)
            assert refusal.value.code == "not_found"

    def test_cannot_hang_a_collection_under_anothers_mandate(self, merchant):
        other = collector()
        key = merchant.collect(merchant.mandate())
        foreign = other.mandate()
        with pytest.raises(Error), tenancy.scope(tenancy.PLATFORM), transaction.atomic():
            payments.Collection.objects.filter(pk=key).update(mandate_id=foreign)

    def test_may_not_set_their_own_policy(self, merchant):
        client = Actor("api", "client", merchant.id, frozenset({"payments.write", "payments.approve"}))

        with pytest.raises(Refusal) as refusal:
            do(payments.SetCollectionPolicy(merchant.id, CREDITOR_ID, "Mine", 0, 0), actor=client)

        assert refusal.value.code == "denied"

    @pytest.mark.parametrize(
        "change",
        [
            {"creditor_id": "DE99ZZZ09999999999"},
            {"creditor_id": ""},
            {"creditor_name": ""},
            {"core_reserve_days": -1},
            {"b2b_reserve_days": 401},
            {"approval_above_minor": -1},
        ],
    )
    def test_have_a_policy_that_makes_sense(self, merchant, change):
        values = {"creditor_id": CREDITOR_ID, "creditor_name": "Example Gym GmbH", **change}
        with pytest.raises(Refusal):
            do(payments.SetCollectionPolicy(merchant.id, **values))

    def test_decide_how_long_money_is_reserved(self, db, tmp_path):
        quick = collector(core_reserve_days=5)
        key = quick.collect(quick.mandate(debtor=DEBTOR))
        quick.send(key, tmp_path)
        quick.settle(key)

        assert collection(key).reserved_until == collection(key).presented_for + timedelta(days=5)
