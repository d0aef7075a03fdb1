"""Payouts by ACH: ordered, put into a NACHA file, sent, settled."""

import hashlib
import io
import json
from datetime import UTC, date, datetime

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock, tenancy
from apps.core.errors import Invalid, Refusal
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.ach_files import TooManyFiles
from apps.payments.calendar import execution_day
from apps.payments.exports import Lot, batch_bytes, is_due, lots
from apps.payments.formats.nacha import check_nacha, read_nacha
from apps.payments.models import AchFile, AchProfile, Batch, Counterparty, Payment
from apps.payments.rails.ach import bank_day
from apps.payments.tasks import export_due_batches
from tests import factories
from tests.factories import do
from tests.integration.payments import us_bank
from tests.integration.payments.us_bank import export, item_of, merchant, payee, payout, stored

MORNING = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)  # a Tuesday, 9:00 in New York
EVENING = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)  # 17:00


@pytest.fixture
def bank(db):
    return us_bank.open_us_bank()


def file_of(answer, folder):
    return (folder / f"{stored(answer).batch_message_id}.ach").read_bytes()


def profile_of(bank):
    with tenancy.scope(tenancy.PLATFORM):
        return AchProfile.objects.get(settlement_account_id=bank)


class TestAnOrder:
    def test_goes_by_ach_to_a_routing_number(self, bank):
        one = merchant()

        answer = payout(one)

        assert (answer["rail"], answer["state"]) == ("ach", "approved")
        assert len(answer["end_to_end_id"]) == 15
        assert one.balance().held == 2_500

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"routing_number": "021000022"}, "creditor.routing_number"),
            ({"routing_number": ""}, "creditor.routing_number"),
            ({"account_number": "1" * 18}, "creditor.account_number"),
            ({"account_kind": "gold"}, "creditor.account_kind"),
            ({"holder": "ghost"}, "creditor.holder"),
            ({"iban": "NL91ABNA0417164300"}, "creditor.iban"),
            ({"name": "…"}, "name"),
        ],
    )
    def test_is_refused_with_what_is_wrong_and_holds_nothing(self, bank, change, field):
        one = merchant()

        with pytest.raises(Invalid) as refusal:
            payout(one, to=payee(**change))

        assert refusal.value.facts["field"] == field
        assert one.balance().held == 0

    @pytest.mark.parametrize(
        ("options", "rule"),
        [
            ({"minor": 100_000_001, "same_day": True}, "same_day_limit"),
            ({"remittance": "x" * 81}, "remittance"),
        ],
    )
    def test_is_refused_beyond_what_an_entry_carries(self, bank, options, rule):
        one = merchant(funded_minor=1_000_000_000, limit_minor=1_000_000_000)

        with pytest.raises(Invalid) as refusal:
            payout(one, **options)

        assert refusal.value.facts["rule"] == rule

    def test_in_euro_has_no_routing_number_and_no_same_day(self, bank):
        one = factories.merchant(accounts_count=1, funded_minor=10_000)

        for changes in ({"creditor": payee()}, {"same_day": True}):
            with pytest.raises(Invalid):
                do(
                    factories.PayoutFactory(
                        organisation_id=one.id,
                        account_id=one.accounts[0],
                        amount=Money(100, "EUR"),
                        **changes,
                    )
                )

    def test_needs_a_place_of_ours_in_the_ach(self, bank):
        one = merchant()
        with tenancy.scope(tenancy.PLATFORM):
            AchProfile.objects.filter(settlement_account_id=bank).delete()

        with pytest.raises(Refusal) as refusal:
            payout(one)

        assert refusal.value.code == "no_ach_profile"

    def test_what_was_asked_of_the_rail_never_changes(self, bank):
        answer = payout(merchant(), same_day=True)

        with pytest.raises(Exception, match="cannot be changed"), tenancy.scope(tenancy.PLATFORM):
            Payment.objects.filter(pk=stored(answer).pk).update(rail_options={})


class TestAFile:
    def test_passes_every_rule_and_says_who_pays_whom(self, bank, tmp_path):
        one = merchant()
        to_person = payout(one)
        to_company = payout(one, 9_900, to=payee(holder="company", name="Acme Inc"))
        long_text = payout(one, 5_000, to=payee(holder="company", name="Acme Inc"), remittance="4711 " * 20)

        (batch,) = export(tmp_path, at=EVENING)

        data = (tmp_path / batch["file_name"]).read_bytes()
        assert check_nacha(data).valid
        assert batch["execution_date"] == "2026-11-25"
        classes = {item_of(each).sec_code for each in (to_person, to_company, long_text)}
        assert classes == {"WEB", "CCD", "CTX"}  # the payer is a person
        assert batch["total_minor"] == 17_400
        assert {stored(each).state for each in (to_person, to_company, long_text)} == {"sent"}

    def test_is_the_same_bytes_ever_after(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=EVENING)

        message_id = stored(answer).batch_message_id

        assert len(message_id) == 20
        assert batch_bytes(message_id) == file_of(answer, tmp_path) == batch_bytes(message_id)

    def test_has_the_reference_that_comes_back_with_a_return(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=EVENING)

        (batch,) = read_nacha(file_of(answer, tmp_path)).file.batches
        (entry,) = batch.entries
        assert entry.record["individual_id"] == answer["end_to_end_id"]
        assert entry.record["trace"] == item_of(answer).trace
        assert batch.header["discretionary_data"] == stored(answer).batch_message_id

    def test_numbers_have_no_gaps_and_files_of_a_day_are_told_apart(self, bank, tmp_path):
        one = merchant()
        files, traces, before = [], [], profile_of(bank).trace_sequence
        for _ in range(3):
            first, second = payout(one), payout(one, 1_000, to=payee(holder="company"))
            export(tmp_path, at=EVENING)
            traces += [int(item_of(each).trace[8:]) for each in (first, second)]
            with tenancy.scope(tenancy.PLATFORM):
                files.append(AchFile.objects.get(message_id=stored(first).batch_message_id))

        assert [number - before for number in sorted(traces)] == [1, 2, 3, 4, 5, 6]
        assert [file.modifier for file in files] == ["A", "B", "C"]
        assert [file.first_batch_number for file in files] == [1, 3, 5]

    def test_the_day_after_begins_with_a_again(self, bank, tmp_path):
        one = merchant()
        payout(one)
        export(tmp_path, at=EVENING)
        later = payout(one)
        export(tmp_path, at=datetime(2026, 11, 25, 15, 0, tzinfo=UTC))

        with tenancy.scope(tenancy.PLATFORM):
            file = AchFile.objects.get(message_id=stored(later).batch_message_id)
        assert (file.modifier, file.first_batch_number) == ("A", 2)

    def test_more_than_thirty_six_a_day_are_refused_and_change_nothing(self, bank, tmp_path):
        with tenancy.scope(tenancy.PLATFORM):
            AchProfile.objects.filter(settlement_account_id=bank).update(
                file_date=date(2026, 11, 24), files_on_date=36
            )
        before = profile_of(bank).trace_sequence
        answer = payout(merchant())

        with pytest.raises(TooManyFiles):
            export(tmp_path, at=EVENING)

        assert stored(answer).state == "approved"
        assert profile_of(bank).trace_sequence == before

    def test_that_cannot_be_numbered_stops_no_other_rail(self, bank, tmp_path, settings):
        settings.BANK_OUTGOING_DIR = str(tmp_path)
        today = bank_day(clock.database_now())
        with tenancy.scope(tenancy.PLATFORM):
            AchProfile.objects.filter(settlement_account_id=bank).update(file_date=today, files_on_date=36)
            Batch.objects.filter(rail="ach").update(created_at=MORNING.replace(year=2020))
        dollars = payout(merchant())
        one = factories.merchant(accounts_count=1, funded_minor=10_000, limit_minor=10_000)
        euros = do(factories.PayoutFactory(organisation_id=one.id, account_id=one.accounts[0]))

        export_due_batches()

        assert (stored(dollars).state, stored(euros).state) == ("approved", "sent")

    @pytest.fixture
    def last_numbers(self, bank):
        """Bring a profile's counters to their end, and afterwards back: other tests' entries have small numbers."""
        with tenancy.scope(tenancy.PLATFORM):
            latest = AchProfile.objects.get(settlement_account_id=bank).trace_sequence
            AchProfile.objects.filter(settlement_account_id=bank).update(
                trace_sequence=9_999_998, batch_number=9_999_999
            )
        yield
        with tenancy.scope(tenancy.PLATFORM):
            AchProfile.objects.update(trace_sequence=latest)

    def test_never_spans_the_end_of_the_seven_digits(self, bank, last_numbers, tmp_path):
        one = merchant()
        answers = [payout(one), payout(one, 1_000)]

        export(tmp_path, at=EVENING)

        assert sorted(item_of(each).trace[8:] for each in answers) == ["0000001", "0000002"]
        assert check_nacha(file_of(answers[0], tmp_path)).valid

    def test_takes_effect_on_banking_days_only(self, bank, tmp_path):
        payout(merchant())

        with pytest.raises(Invalid):
            export(tmp_path, at=EVENING, execution_date=date(2026, 11, 26))  # Thanksgiving

    def test_leaves_out_an_account_that_a_return_has_stopped(self, bank, tmp_path):
        one = merchant()
        stopped, going = payout(one), payout(one, 900, to=payee(name="Bob Other"))
        with tenancy.scope(tenancy.PLATFORM):
            Counterparty.objects.filter(pk=stored(stopped).counterparty_id).update(stopped_code="R03")

        export(tmp_path, at=EVENING)

        assert (stored(stopped).state, stored(going).state) == ("approved", "sent")
        with pytest.raises(Refusal) as refusal:
            payout(one)
        assert refusal.value.code == "counterparty_stopped"
        key = stored(stopped).counterparty_id
        assert do(payments.ResumeCounterparty(one.id, key, "they called"))["resumed"] is True
        assert payout(one)["state"] == "approved"


class TestTheSameDay:
    def test_goes_in_a_file_of_its_own_while_a_window_is_open(self, bank, tmp_path):
        one = merchant()
        now, later = payout(one, at=MORNING, same_day=True), payout(one, 900, at=MORNING)

        first, second = export(tmp_path, at=MORNING)

        assert (first["execution_date"], second["execution_date"]) == ("2026-11-24", "2026-11-25")
        assert (stored(now).batch_message_id, stored(later).batch_message_id) == (
            first["message_id"],
            second["message_id"],
        )
        (batch,) = read_nacha(file_of(now, tmp_path)).file.batches
        assert batch.header["descriptive_date"] == "SD0900"

    def test_missed_by_a_moment_goes_with_the_next_day(self, bank, tmp_path):
        answer = payout(merchant(), at=MORNING, same_day=True)

        (batch,) = export(tmp_path, at=datetime(2026, 11, 24, 21, 15, tzinfo=UTC))  # 16:15 exactly

        assert (batch["execution_date"], stored(answer).state) == ("2026-11-25", "sent")

    def test_is_not_on_a_saturday(self, db):
        saturday = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)

        assert lots("ach", saturday, execution_day("ach", saturday)) == [Lot(date(2026, 12, 1))]

    def test_with_another_date_everything_goes_then(self, bank, tmp_path):
        payout(merchant(), at=MORNING, same_day=True)

        (batch,) = export(tmp_path, at=MORNING, execution_date=date(2026, 11, 30))

        assert batch["execution_date"] == "2026-11-30"

    def test_a_file_leaves_by_itself_now_and_then_and_before_each_cut_off(self, bank, tmp_path):
        def due(hour, minute, second=0):
            return is_due("ach", datetime(2033, 5, 4, hour + 4, minute, second, tzinfo=UTC))

        assert due(9, 0)
        payout(merchant())
        export(tmp_path, at=datetime(2033, 5, 4, 13, 0, tzinfo=UTC))

        assert [due(9, 0, 1), due(9, 44), due(9, 45, 1)] == [False, False, True]


class TestSettlement:
    def test_captures_the_hold_and_empties_clearing(self, bank, tmp_path):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=clock.database_now())
        row = stored(answer)

        settled = do(
            payments.SettlePayment(one.id, row.pk, Money(2_500, "USD"), date(2026, 11, 25), "line-1")
        )

        assert (row.state, settled["state"]) == ("sent", "settled")
        assert (one.balance().posted, one.balance().held) == (7_500, 0)


class TestAProfile:
    def test_belongs_to_a_dollar_account_with_a_routing_number(self, bank):
        factories.operator()
        with tenancy.scope(tenancy.PLATFORM):
            euro = next(route for route in payments.settlement_accounts() if route.currency == "EUR")

        with pytest.raises(Invalid):
            do(payments.SetAchProfile(None, euro.id, "1234567890", "Op", us_bank.OURS))

    @pytest.mark.parametrize(
        "change",
        [
            {"company_id": ""},
            {"company_id": "12345678901"},
            {"company_id": "12 45"},
            {"company_name": "  "},
            {"company_name": "000"},
            {"origin": "1"},
            {"destination": "123456789"},
        ],
    )
    def test_is_refused_with_what_no_bank_takes(self, bank, change):
        values = {"company_id": "1234567890", "company_name": "Op", "origin": us_bank.OURS} | change

        with pytest.raises(Invalid):
            do(payments.SetAchProfile(None, bank, **values))

    def test_changes_without_losing_its_counters(self, bank, tmp_path):
        before = profile_of(bank).trace_sequence
        payout(merchant())
        export(tmp_path, at=EVENING)

        do(payments.SetAchProfile(None, bank, "9999999999", "Other Name", us_bank.OURS))

        row = profile_of(bank)
        assert (row.company_id, row.trace_sequence) == ("9999999999", before + 1)

    def test_shares_its_traces_with_our_other_accounts_at_the_bank(self, bank, tmp_path):
        one = merchant()
        first = payout(one)
        export(tmp_path, at=EVENING)
        us_bank.open_us_bank()
        second = payout(one)
        export(tmp_path, at=EVENING)

        traces = [int(item_of(each).trace[8:]) for each in (first, second)]
        assert traces[1] == traces[0] + 1


class TestTheCommand:
    def run(self, *arguments):
        out = io.StringIO()
        call_command("export_batch", "--rail", "ach", "--json", *arguments, stdout=out)
        return json.loads(out.getvalue())

    def test_shows_sends_and_writes_the_very_same_file_again(self, bank, tmp_path):
        answer = payout(merchant())

        shown = self.run("--dry-run")
        (batch,) = self.run("--folder", str(tmp_path / "first"))["batches"]
        (again,) = self.run("--rebuild", batch["message_id"], "--folder", str(tmp_path / "again"))["batches"]

        first = (tmp_path / "first" / batch["file_name"]).read_bytes()
        assert shown["totals_minor"]["USD"] >= 2_500
        assert stored(answer).state == "sent"
        assert hashlib.sha256(first).hexdigest() == batch["sha256"] == again["sha256"]
        assert (tmp_path / "again" / again["file_name"]).read_bytes() == first

    def test_goes_with_the_window_that_is_asked_for(self, bank):
        assert self.run("--dry-run", "--cutoff", "standard")["execution_date"]
        with pytest.raises(CommandError):
            self.run("--cutoff", "midnight")
