"""What comes back through the ACH: returns, arguments about them, corrected accounts."""

import io
import itertools
import json
from datetime import UTC, date, datetime

import pytest
from django.core.management import CommandError, call_command

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.counterparties import current
from apps.payments.exports import batch_bytes
from apps.payments.formats import FormatError
from apps.payments.formats.nacha import (
    Batch,
    NachaFile,
    Record,
    change_entry,
    check_nacha,
    contest_entry,
    dishonour_entry,
    encode_nacha,
    read_nacha,
    return_entry,
    write_nacha,
)
from apps.payments.models import Counterparty
from apps.payments.models_ach import AccountChange, ReturnDispute
from apps.payments.models_debits import Return
from apps.payments.return_files import import_return
from apps.payments.routing import route_by_id
from tests import factories
from tests.factories import do
from tests.integration.payments import us_bank
from tests.integration.payments.us_bank import export, merchant, payee, payout, stored

SENT = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
_NUMBERS = itertools.count(1)


@pytest.fixture
def bank(db):
    return us_bank.open_us_bank()


def sent_entry(answer):
    """Give the entry of a payout as the bank got it, with the header of its batch."""
    file = read_nacha(batch_bytes(stored(answer).batch_message_id)).file
    for batch in file.batches:
        for entry in batch.entries:
            if entry.record["individual_id"] == answer["end_to_end_id"]:
                return entry, batch.header
    raise LookupError


def trace():
    return f"02100002{next(_NUMBERS):07d}"


def answer_file(*entries, sec_code="PPD", company_id="1234567890", write=write_nacha):
    """Give a file of the operator's with these entries."""
    number = next(_NUMBERS)
    header = Record(
        "file_header",
        {
            "priority": "01",
            "immediate_destination": f" {us_bank.OURS}",
            "immediate_origin": " 061000146",
            "creation_date": "261125",
            "creation_time": f"{number % 2400:04d}",
            "file_id_modifier": "A",
            "reference": f"{number:08d}",
        },
    )
    batch = Record(
        "batch_header",
        {
            "service_class": "200",
            "company_name": "TEST OPERATOR",
            "company_id": company_id,
            "sec_code": sec_code,
            "entry_description": "RETURNS",
            "effective_date": "261125",
            "originator_status": "1",
            "odfi": "06100014",
            "batch_number": "0000001",
        },
    )
    return write(NachaFile(header, (Batch(batch, entries),)))


def take(data, at=LATER):
    return import_return(data, file_name="returns.ach", actor=factories.SYSTEM, at=at)


def returned(answer, code="R03"):
    entry, _ = sent_entry(answer)
    return return_entry(entry, code=code, trace=trace())


def change(answer, code, **values):
    entry, _ = sent_entry(answer)
    return change_entry(entry, code=code, values=values, trace=trace())


def settle(answer):
    row = stored(answer)
    return do(
        payments.SettlePayment(
            row.organisation_id, row.pk, row.amount, date(2026, 11, 25), f"line-{row.pk.hex[:20]}"
        ),
        at=LATER,
    )


def come_back(answer, minor=None):
    """Show the return on the bank's statement."""
    row = stored(answer)
    amount = Money(minor or row.amount_minor, "USD")
    return do(
        payments.ReturnPayment(
            row.organisation_id, row.pk, amount, date(2026, 11, 30), f"r-{row.pk.hex[:20]}"
        ),
        at=LATER,
    )


def clearing(bank):
    with tenancy.scope(tenancy.PLATFORM):
        route = route_by_id(bank)
        return [
            ledger.balance(one).posted for one in (route.clearing_out_id, route.clearing_in_id, route.cash_id)
        ]


def counterparty_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return Counterparty.objects.get(pk=stored(answer).counterparty_id)


def newest(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return current(counterparty_of(answer), at=datetime(2099, 1, 1, tzinfo=UTC))


class TestAReturn:
    def test_gives_the_money_back_and_the_statement_empties_clearing(self, bank, tmp_path):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=SENT)
        settle(answer)

        result = take(answer_file(returned(answer)))
        told = one.balance().posted
        come_back(answer)

        assert (result["applied"], result["findings"]) == (1, [])
        row = stored(answer)
        assert (row.state, row.failure_code) == ("returned", "R03")
        assert told == one.balance().posted == 10_000
        assert clearing(bank) == [0, 0, 0]

    @pytest.mark.parametrize(
        "order",
        sorted(set(itertools.permutations(["settle", "file", "file again", "settle again"]))),
    )
    def test_ends_the_same_in_any_order_with_duplicates(self, bank, tmp_path, order):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=SENT)
        steps = {
            "settle": lambda: settle(answer),
            "settle again": lambda: settle(answer),
            "file": lambda: take(answer_file(returned(answer))),
            "file again": lambda: take(answer_file(returned(answer))),
        }

        for step in order:
            steps[step]()
        come_back(answer)
        come_back(answer)

        assert stored(answer).state == "returned"
        assert one.balance().posted == 10_000
        assert clearing(bank) == [0, 0, 0]
        with tenancy.scope(tenancy.PLATFORM):
            assert Return.objects.filter(payment_id=stored(answer).pk).count() == 1
            assert payments.verify(payments.payments().filter(pk=stored(answer).pk)) == (1, [])

    def test_that_only_the_statement_shows_needs_no_file(self, bank, tmp_path):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=SENT)
        settle(answer)
        come_back(answer)

        result = take(answer_file(returned(answer)))

        assert (result["applied"], result["unchanged"]) == (0, 1)
        assert clearing(bank) == [0, 0, 0]

    def test_stops_the_account_where_its_code_says_so(self, bank, tmp_path):
        one = merchant()
        answers = {code: payout(one, to=payee(name=f"Ada {code}")) for code in ("R03", "R01", "R20", "R29")}
        export(tmp_path, at=SENT)
        for each in answers.values():
            settle(each)

        take(answer_file(*(returned(each, code) for code, each in answers.items())))

        stopped = {code: counterparty_of(each).stopped_code for code, each in answers.items()}
        assert stopped == {"R03": "R03", "R01": "", "R20": "", "R29": "R29"}
        with pytest.raises(Refusal, match="counterparty_stopped"):
            payout(one, to=payee(name="Ada R03"))

    def test_is_taken_in_once(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)
        data = answer_file(returned(answer))
        take(data)

        with pytest.raises(Refusal) as refusal:
            take(data)

        assert refusal.value.code == "duplicate_file"


class TestAFileWithBadEntries:
    def test_applies_the_good_ones_and_names_line_and_rule_of_the_others(self, bank, tmp_path):
        one = merchant()
        good, other, unknown = payout(one), payout(one, 900), payout(one, 700)
        export(tmp_path, at=SENT)
        settle(good)
        settle(other)
        wrong_amount = returned(other)
        wrong_amount = type(wrong_amount)(
            Record(wrong_amount.record.layout, wrong_amount.record.fields | {"amount": "901"}),
            wrong_amount.addenda,
        )
        lost = returned(unknown)
        lost = type(lost)(
            lost.record,
            (Record("addenda99", lost.addenda[0].fields | {"original_trace": "999999990000001"}),),
        )
        broken = returned(unknown, "R10")
        broken = type(broken)(
            broken.record, (Record("addenda99", broken.addenda[0].fields | {"return_code": "R99"}),)
        )

        result = take(answer_file(returned(good), wrong_amount, lost, broken, write=encode_nacha))

        assert result["applied"] == 1
        assert [finding["code"] for finding in result["findings"]] == [
            "amount_differs",
            "unknown_trace",
            "return_code",
        ]
        assert all(finding["line"] > 2 for finding in result["findings"])
        assert [stored(each).state for each in (good, other, unknown)] == ["returned", "settled", "sent"]

    def test_bears_what_partners_get_wrong_and_we_do_not_go_by(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)
        settle(answer)
        back = returned(answer)
        back = type(back)(Record(back.record.layout, back.record.fields | {"check_digit": "9"}), back.addenda)

        result = take(answer_file(back, write=encode_nacha))

        assert (result["applied"], stored(answer).state) == (1, "returned")
        assert [finding["code"] for finding in result["findings"]] == ["check_digit"]

    @pytest.mark.parametrize("data", [b"", b"\x00" * 940, b"101 nothing", b"<x/>", b"9" * 94 + b"\n"])
    def test_is_refused_whole_if_it_is_none(self, bank, data):
        with pytest.raises(FormatError):
            take(data)

    def test_of_another_rail_changes_nothing(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        result = take(batch_bytes(stored(answer).batch_message_id))  # our own file, sent back to us

        assert (result["applied"], stored(answer).state) == (0, "sent")


class TestAnArgument:
    def dispute(self, answer):
        with tenancy.scope(tenancy.PLATFORM):
            return ReturnDispute.objects.get(payment_id=stored(answer).pk)

    @pytest.mark.parametrize(
        "order", [("R61", "R71"), ("R71", "R61"), ("R61", "R61", "R71", "R71"), ("R71", "R61", "R61")]
    )
    def test_is_recorded_in_any_order_and_moves_no_money(self, bank, tmp_path, order):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=SENT)
        settle(answer)
        back = returned(answer)
        dishonoured = dishonour_entry(back, code="R61", trace=trace())
        entries = {"R61": dishonoured, "R71": contest_entry(dishonoured, code="R71", trace=trace())}
        take(answer_file(back))
        before = clearing(bank)

        for code in order:
            take(answer_file(entries[code]))

        row = self.dispute(answer)
        assert (row.state, row.contest_code) == ("contested", "R71")
        assert stored(answer).state == "returned"
        assert (clearing(bank), one.balance().posted) == (before, 10_000)

    def test_is_closed_by_a_person_with_a_reason(self, bank, tmp_path):
        one = merchant()
        answer = payout(one)
        export(tmp_path, at=SENT)
        settle(answer)
        take(answer_file(dishonour_entry(returned(answer), code="R61", trace=trace())))
        row = self.dispute(answer)

        closed = do(payments.CloseReturnDispute(one.id, row.pk, "written off"))

        assert closed["state"] == "closed"
        assert (
            take(answer_file(dishonour_entry(returned(answer), code="R61", trace=trace())))["unchanged"] == 1
        )
        with pytest.raises(Refusal):
            do(payments.CloseReturnDispute(one.id, row.pk, "again"))
        with pytest.raises(Refusal):
            do(payments.CloseReturnDispute(factories.merchant().id, row.pk, "not ours"))


class TestAChange:
    @pytest.mark.parametrize(
        ("code", "values", "account"),
        [
            ("C01", {"account": "98765"}, ("021000021", "98765", "checking")),
            ("C02", {"routing": "011000015"}, ("011000015", "000123456789", "checking")),
            ("C03", {"routing": "011000015", "account": "98765"}, ("011000015", "98765", "checking")),
            ("C05", {"transaction_code": "32"}, ("021000021", "000123456789", "savings")),
            ("C06", {"account": "98765", "transaction_code": "32"}, ("021000021", "98765", "savings")),
            (
                "C07",
                {"routing": "011000015", "account": "98765", "transaction_code": "32"},
                ("011000015", "98765", "savings"),
            ),
        ],
    )
    def test_is_used_from_the_next_entry_on_and_loses_nothing(self, bank, tmp_path, code, values, account):
        one = merchant()
        answer = payout(one)
        export(tmp_path, at=SENT)
        before = batch_bytes(stored(answer).batch_message_id)

        result = take(answer_file(change(answer, code, **values), sec_code="COR"))

        assert result["changes_applied"] == 1
        new, old = newest(answer), counterparty_of(answer)
        assert (new.routing_number, new.account.reveal(), new.account_kind) == account
        assert (old.routing_number, old.account.reveal(), old.account_kind) == (
            "021000021",
            "000123456789",
            "checking",
        )
        again = payout(one, at=LATER)  # with the old details, as their owner knows them
        export(tmp_path, at=LATER)
        entry, _ = sent_entry(again)
        assert (entry.record["rdfi"] + entry.record["check_digit"], entry.record["account"]) == account[:2]
        assert batch_bytes(stored(answer).batch_message_id) == before

    def test_reaches_what_was_ordered_and_has_not_left(self, bank, tmp_path):
        one = merchant()
        answer = payout(one)
        export(tmp_path, at=SENT)
        waiting = payout(one, 900)

        take(answer_file(change(answer, "C01", account="98765"), sec_code="COR"))
        export(tmp_path, at=LATER)

        assert sent_entry(waiting)[0].record["account"] == "98765"

    def test_of_the_name_keeps_the_account(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        take(answer_file(change(answer, "C04", name="ADA NEWNAME"), sec_code="COR"))

        new = newest(answer)
        assert (new.name.reveal(), new.account.reveal()) == ("ADA NEWNAME", "000123456789")

    def test_moves_no_money(self, bank, tmp_path):
        one = merchant(funded_minor=10_000)
        answer = payout(one)
        export(tmp_path, at=SENT)
        before = clearing(bank), one.balance().posted

        take(answer_file(change(answer, "C01", account="98765"), sec_code="COR"))

        assert (clearing(bank), one.balance().posted) == before
        assert stored(answer).state == "sent"

    def test_told_twice_is_applied_once(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)
        take(answer_file(change(answer, "C01", account="98765"), sec_code="COR"))

        result = take(answer_file(change(answer, "C01", account="98765"), sec_code="COR"))

        assert (result["changes_applied"], result["unchanged"]) == (0, 1)

    def test_and_back_again_goes_round_in_no_circle(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        for number in ("98765", "000123456789", "98765", "000123456789"):
            take(answer_file(change(answer, "C01", account=number), sec_code="COR"))

        assert newest(answer).account.reveal() == "000123456789"

    @pytest.mark.parametrize(
        ("code", "values", "company_id", "refused"),
        [
            ("C02", {"routing": "123456789"}, "1234567890", "C65"),
            ("C05", {"transaction_code": "52"}, "1234567890", "C69"),
            ("C01", {"account": "98765"}, "5555555555", "C63"),
            ("C04", {"name": "0000"}, "1234567890", "C65"),
        ],
    )
    def test_that_cannot_be_meant_is_refused_by_the_rules_own_code(
        self, bank, tmp_path, code, values, company_id, refused
    ):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        result = take(answer_file(change(answer, code, **values), sec_code="COR", company_id=company_id))

        assert [item["code"] for item in result["refused_changes"]] == [refused]
        assert newest(answer).pk == counterparty_of(answer).pk
        with tenancy.scope(tenancy.PLATFORM):
            row = AccountChange.objects.get(counterparty_id=counterparty_of(answer).pk)
        assert (row.outcome, row.refused_code) == ("refused", refused)

    def test_of_an_entry_that_was_never_ours_is_refused(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)
        entry = change(answer, "C01", account="98765")
        entry = type(entry)(
            entry.record,
            (Record("addenda98", entry.addenda[0].fields | {"original_trace": "999999990000009"}),),
        )

        assert [item["code"] for item in take(answer_file(entry, sec_code="COR"))["refused_changes"]] == [
            "C62"
        ]

    def test_of_one_organisation_reaches_no_other(self, bank, tmp_path):
        mine, theirs = payout(merchant()), payout(merchant())
        export(tmp_path, at=SENT)

        take(answer_file(change(mine, "C01", account="98765"), sec_code="COR"))

        assert newest(theirs).account.reveal() == "000123456789"
        with tenancy.scope(stored(theirs).organisation_id):
            assert not AccountChange.objects.exists()

    def test_takes_an_account_up_again_that_was_stopped(self, bank, tmp_path):
        one = merchant()
        answer = payout(one)
        export(tmp_path, at=SENT)
        settle(answer)
        take(answer_file(returned(answer)))
        take(answer_file(change(answer, "C01", account="98765"), sec_code="COR"))

        again = payout(one, at=LATER)

        assert parse_public_id("cpt", again["counterparty_id"]) == newest(answer).pk


class TestTheCommands:
    def run(self, name, *arguments):
        out = io.StringIO()
        code = 0
        try:
            call_command(name, *arguments, "--json", stdout=out)
        except CommandError as error:
            code = error.returncode
        return code, json.loads(out.getvalue())["files"]

    def put(self, folder, data, name="answer.ach"):
        path = folder / name
        path.write_bytes(data)
        return str(path)

    def test_import_return_file_applies_and_shows(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)
        settle(answer)
        path = self.put(tmp_path, answer_file(returned(answer)))

        code, (shown,) = self.run("import_return_file", path, "--dry-run")
        assert (code, shown["entries"], stored(answer).state) == (0, 1, "settled")
        code, (done,) = self.run("import_return_file", path)
        assert (code, done["applied"], stored(answer).state) == (0, 1, "returned")
        code, (again,) = self.run("import_return_file", path)
        assert (code, again["error"]) == (1, "duplicate_file")

    def test_import_noc_corrects_and_answers_what_it_refuses(self, bank, tmp_path):
        one = merchant()
        answer, wrong = payout(one), payout(one, 900, to=payee(name="Bob Other"))
        export(tmp_path, at=SENT)
        entries = change(answer, "C01", account="98765"), change(wrong, "C02", routing="123456789")
        path = self.put(tmp_path, answer_file(*entries, sec_code="COR"))

        code, (shown,) = self.run("import_noc", path, "--dry-run")
        assert (code, shown["changes"]) == (0, ["C01", "C02"])
        code, (done,) = self.run("import_noc", path, "--refuse", "--folder", str(tmp_path))

        assert (code, done["changes_applied"], done["refused_changes"][0]["code"]) == (1, 1, "C65")
        data = (tmp_path / done["refusals"]).read_bytes()
        assert check_nacha(data).valid
        (batch,) = read_nacha(data).file.batches
        (refusal,) = batch.entries
        assert (refusal.category, refusal.addenda[0]["change_code"], refusal.addenda[0]["refused_code"]) == (
            "refused_change",
            "C65",
            "C02",
        )
        assert newest(answer).account.reveal() == "98765"

    @pytest.mark.parametrize("name", ["import_return_file", "import_noc"])
    def test_name_what_they_cannot_read(self, bank, tmp_path, name):
        paths = [
            str(tmp_path / "missing.ach"),
            self.put(tmp_path, b"\x00\xff" * 500, "noise.ach"),
            self.put(tmp_path, b"101 nothing", "short.ach"),
        ]

        code, results = self.run(name, *paths)

        assert code == 1
        assert all("error" in result for result in results)

    def test_import_noc_wants_a_change(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        code, (result,) = self.run("import_noc", self.put(tmp_path, answer_file(returned(answer))))

        assert (code, result["error"], stored(answer).state) == (1, "no_change", "sent")
