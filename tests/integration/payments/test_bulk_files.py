"""Bulk orders in US dollars, and bulk orders out of files."""

import json
import uuid
from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands.bulk import BulkInvalid
from apps.payments.formats.nacha import read_nacha
from apps.payments.formats.pain001 import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    build_credit_transfer,
)
from apps.payments.models import AchItem, Counterparty, Payment
from apps.payments.models_orders import BulkOrder
from tests import factories
from tests.factories import CreditorFactory, do
from tests.integration.payments import us_bank

IBAN = "NL91ABNA0417164300"


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=50_000)


@pytest.fixture
def american(db):
    us_bank.open_us_bank()
    one = us_bank.merchant()
    answer = do(accounts.OpenPaymentAccount(one.id, "USD"))  # the company's own
    one.accounts.append(parse_public_id("acc", answer["id"]))
    fund(one, 1, Money(100_000, "USD"))
    return one


def fund(one, index, amount):
    do(factories.PayinEventFactory(organisation_id=one.id, account_id=one.accounts[index], amount=amount))


def dollars(minor=2_500, *, remittance="Invoice 4711", reference="", **changes):
    changes.setdefault("account_number", str(uuid.uuid4().int)[:12])
    return payments.BulkPayout(Money(minor, "USD"), us_bank.payee(**changes), remittance, reference)


def order(one, *lines, index=0):
    return do(payments.CreateBulkOrder(one.id, one.accounts[index], lines), key=uuid.uuid4().hex)


def made_by(answer):
    with tenancy.scope(tenancy.PLATFORM):
        rows = Payment.objects.filter(bulk_order_id=parse_public_id("blk", answer["id"]))
        return list(rows.order_by("id"))


class TestABulkOrderInDollars:
    def test_leaves_as_entries_of_the_class_that_each_payee_asks_for(self, american, tmp_path):
        company = dollars(3_000, name="Example Supplies Inc", holder="company")
        answer = order(american, dollars(), company, index=1)
        us_bank.export(tmp_path)

        rows = made_by(answer)
        with tenancy.scope(tenancy.PLATFORM):
            items = {
                item.payment_id: item
                for item in AchItem.objects.filter(payment_id__in=[row.pk for row in rows])
            }
        assert answer["total"] == {"amount": "55.00", "currency": "USD"}
        assert [(row.rail, row.state) for row in rows] == [("ach", "sent")] * 2
        classes = {row.amount_minor: items[row.pk].sec_code for row in rows}
        assert classes == {2_500: "PPD", 3_000: "CCD"}
        file = read_nacha((tmp_path / f"{rows[0].batch_message_id}.ach").read_bytes())
        assert file.report.valid
        traces = {entry.record["trace"] for batch in file.file.batches for entry in batch.entries}
        assert {item.trace for item in items.values()} <= traces
        assert american.balance(1).posted == 100_000 - 5_500

    def test_knows_payees_it_has_paid_before_and_uses_what_banks_corrected(self, american):
        number = str(uuid.uuid4().int)[:12]
        first, second = made_by(order(american, *(dollars(account_number=number) for _ in range(2))))
        assert first.counterparty_id == second.counterparty_id
        other = made_by(order(american, dollars()))[0].counterparty_id
        with tenancy.scope(american.id):
            row = Counterparty.objects.get(pk=first.counterparty_id)
            row.replaced_by_id, row.replaced_at = other, row.created_at
            row.save()

        assert made_by(order(american, dollars(account_number=number)))[0].counterparty_id == other

    def test_names_every_line_that_the_clearing_house_would_refuse(self, american):
        with pytest.raises(BulkInvalid) as refusal:
            order(
                american,
                dollars(),
                dollars(routing_number="021000022"),
                dollars(account_number="!"),
                dollars(10_000_000_000),
                dollars(remittance="x" * 81),
                dollars(account_kind="gold"),
                payments.BulkPayout(Money(100, "USD"), CreditorFactory()),
                payments.BulkPayout(Money(100, "EUR"), CreditorFactory()),
            )

        told = {error["line"]: (error["code"], error["field"]) for error in refusal.value.facts["errors"]}
        assert told == {
            2: ("invalid", "creditor.routing_number"),
            3: ("invalid", "creditor.account_number"),
            4: ("invalid", "amount"),
            5: ("invalid", "remittance"),
            6: ("invalid", "creditor.account_kind"),
            7: ("invalid", "creditor.iban"),
            8: ("mixed_currencies", "amount.currency"),
        }
        assert american.balance().available == 10_000_000

    def test_is_refused_from_an_account_in_euro_and_in_other_currencies(self, american, merchant):
        with pytest.raises(Refusal) as refusal:
            order(merchant, dollars())
        assert refusal.value.code == "currency_mismatch"
        with pytest.raises(Refusal) as refusal:
            order(merchant, payments.BulkPayout(Money(100, "GBP"), CreditorFactory()))
        assert refusal.value.facts["field"] == "amount.currency"

    def test_stops_at_an_account_that_a_bank_has_closed(self, american):
        number = str(uuid.uuid4().int)[:12]
        (row,) = made_by(order(american, dollars(account_number=number)))
        with tenancy.scope(american.id):
            Counterparty.objects.filter(pk=row.counterparty_id).update(stopped_code="R02")

        with pytest.raises(BulkInvalid) as refusal:
            order(american, dollars(), dollars(account_number=number))

        assert [error["line"] for error in refusal.value.facts["errors"]] == [2]


HEADER = "amount,currency,name,iban,remittance,reference\n"


def table(*rows, header=HEADER):
    salt = uuid.uuid4().hex  # every file is another one
    return (header + "".join(f"{row}\n" for row in rows) + f"1.00,EUR,Somebody,{IBAN},{salt},\n").encode()


def imported(one, data, tmp_path, *more):
    """Run the command; return what it printed and whether it exited well."""
    path = tmp_path / "orders.file"
    path.write_bytes(data)
    out = StringIO()
    account = public_id("acc", one.accounts[0])
    try:
        call_command("import_bulk", str(path), "--account", account, "--json", *more, stdout=out)
    except CommandError as error:
        assert error.returncode == 1
        return json.loads(out.getvalue()), False
    return json.loads(out.getvalue()), True


def orders_of(one):
    with tenancy.scope(one.id):
        return BulkOrder.objects.filter(account_id=one.accounts[0]).count()


class TestATable:
    def test_becomes_one_order(self, merchant, tmp_path):
        told, good = imported(
            merchant,
            table(f"2.50,EUR,x,{IBAN},,", f"3.00,eur,Ann,{IBAN},,b"),
            tmp_path,
        )

        assert good and told["totals"] == {"EUR": "6.50"} and told["payments"] == 3
        assert told["order"]["state"] == "approved"
        assert len(made_by(told["order"])) == 3

    def test_with_semicolons_and_a_byte_order_mark_and_quotes_too(self, merchant, tmp_path):
        text = f'\ufeffname;amount;currency;iban;remittance\n"Böhm; Söhne";2.00;EUR;{IBAN};{uuid.uuid4().hex}\n\n'

        told, good = imported(merchant, text.encode(), tmp_path)

        assert good and told["payments"] == 1

    def test_in_dollars_pays_by_ach(self, american, tmp_path):
        header = "amount,currency,name,routing_number,account_number,holder\n"
        number = str(uuid.uuid4().int)[:12]
        row = f"12.00,USD,Example Inc,{us_bank.THEIRS},{number},company\n"

        told, good = imported(american, (header + row).encode(), tmp_path)

        assert good
        assert [row.rail for row in made_by(told["order"])] == ["ach"]

    def test_names_every_bad_line_and_orders_nothing(self, merchant, tmp_path):
        data = table(
            f"1.00,EUR,Ann,{IBAN},,a",
            f"one,EUR,Ann,{IBAN},,",
            f"1.00,XXQ,Ann,{IBAN},,",
            "1.00,EUR,Ann,NL91ABNA0417164301,,",
            f"1.00,EUR,,{IBAN},,",
            f"0.00,EUR,Ann,{IBAN},,",
            f"1.00,EUR,Ann,{IBAN}",
            f"1.00,EUR,Ann,{IBAN},{'x' * 141},",
            f"1.00,EUR,Ann,{IBAN},,a",
            f"1.00,USD,Ann,{IBAN},,",
        )

        told, good = imported(merchant, data, tmp_path)

        assert not good and told["order"] is None
        assert [(one["line"], one["column"]) for one in told["errors"]] == [
            (3, "amount"), (4, "currency"), (5, "iban"), (6, "name"), (7, "amount"), (8, ""),
            (9, "remittance"), (10, "reference"), (11, "currency"),
        ]  # fmt: skip
        assert all(one["reason"] for one in told["errors"])
        assert orders_of(merchant) == 0 and merchant.balance().available == 100_000

    def test_is_taken_once_whatever_it_is_called(self, merchant, tmp_path):
        data = table()
        assert imported(merchant, data, tmp_path)[1]

        for more in ((), ("--dry-run",), ("--reference", "again")):
            told, good = imported(merchant, data, tmp_path, *more)
            assert not good and told["error"] == "duplicate_file"
        assert orders_of(merchant) == 1

    def test_is_taken_once_by_two_at_once(self, merchant, in_threads):
        command = payments.CreateBulkOrder(
            merchant.id, merchant.accounts[0], (payments.BulkPayout(Money(100, "EUR"), CreditorFactory()),),
            source_sha256=uuid.uuid4().hex * 2,
        )  # fmt: skip

        def attempt(key):
            try:
                return do(command, key=key)["state"]
            except Refusal as refusal:
                return refusal.code

        assert sorted(in_threads(attempt, ["a", "b"])) == ["approved", "duplicate_file"]
        with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
            row = BulkOrder.objects.get(source_sha256=command.source_sha256)
            row.pk = uuid.uuid4()
            row.save(force_insert=True)

    def test_never_changes_what_it_was_read_from(self, merchant, tmp_path, owner_sql):
        told, _ = imported(merchant, table(), tmp_path)

        with pytest.raises(Exception, match="cannot be changed"):
            owner_sql(
                "UPDATE payments_bulkorder SET source_sha256 = '' WHERE id = %s",
                [parse_public_id("blk", told["order"]["id"])],
            )

    def test_is_only_checked_in_a_dry_run(self, merchant, tmp_path):
        data = table()

        told, good = imported(merchant, data, tmp_path, "--dry-run")

        assert good and told["payments"] == 1 and told["order"] is None
        assert orders_of(merchant) == 0
        assert imported(merchant, data, tmp_path)[1]

    def test_beyond_the_balance_orders_nothing_and_may_come_again(self, merchant, tmp_path):
        data = table(f"9000.00,EUR,Ann,{IBAN},,")

        told, good = imported(merchant, data, tmp_path)

        assert not good and told["error"] == "insufficient_funds"
        fund(merchant, 0, Money(1_000_000, "EUR"))
        assert imported(merchant, data, tmp_path)[1]

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "header"),
            (b"amount;currency;name\n", "header"),
            (b"amount,currency,name,iban,colour\n", "header"),
            (b"amount,currency,name,iban,name\n", "header"),
            (b"amount,currency,name,iban\n", "empty"),
            (b"amount,currency,name,iban\n1.00,EUR,\xff,x\n", "encoding"),
            (b'amount,currency,name,iban\n1.00,EUR,"never closed', "csv"),
            (b"amount,currency,name,iban\n" + b"x" * 200_000, "csv"),
            (b"amount,currency,name,iban\n" + b"1,1,1,1\n" * 10_001, "too_many_payments"),
            (b"<html></html>", "not_iso20022"),
            (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', None),
        ],
    )
    def test_that_is_none_is_refused(self, merchant, tmp_path, data, code):
        told, good = imported(merchant, data, tmp_path)

        assert not good
        assert told["error"] == code or code is None

    def test_for_an_account_of_nobody_is_refused(self, merchant, tmp_path):
        path = tmp_path / "f.csv"
        path.write_bytes(table())
        for account in ("acc_nonsense", public_id("acc", uuid.uuid4())):
            with pytest.raises(CommandError):
                call_command("import_bulk", str(path), "--account", account, stdout=StringIO())


def pain(one, *transfers, **changes):
    with tenancy.scope(tenancy.PLATFORM):
        iban = accounts.payment_account(one.accounts[0]).iban
    group = {
        "id": "G1",
        "debtor_name": "Merchant",
        "debtor_iban": iban,
        "execution_date": date(2026, 1, 5),
        "transfers": transfers,
    } | changes
    return build_credit_transfer(
        CreditTransferBatch(
            uuid.uuid4().hex, datetime(2026, 1, 5, tzinfo=UTC), "Merchant", (CreditTransferGroup(**group),)
        )
    )


def transfer(reference="E1", **changes):
    return CreditTransfer(reference, Money(150, "EUR"), "Ann Example", IBAN, **changes)


class TestAPain001:
    def test_becomes_one_order_with_its_references(self, merchant, tmp_path):
        data = pain(
            merchant,
            transfer(remittance="Invoice 1", purpose="SALA"),
            transfer("E2", creditor_reference="RF18539007547034"),
        )

        told, good = imported(merchant, data, tmp_path)

        assert good and told["format"] == "pain.001" and told["not_carried"] == ["Purp"]
        rows = made_by(told["order"])
        with tenancy.scope(merchant.id):
            texts = {row.reference: row.remittance.reveal() for row in rows}
        assert texts == {"E1": "Invoice 1", "E2": "RF18539007547034"}

    def test_that_asks_for_what_an_order_is_not_orders_nothing(self, merchant, tmp_path):
        one = transfer(ultimate_creditor_name="Somebody Else")
        data = pain(
            merchant, one, transfer(), debtor_iban=IBAN, execution_date=date(2099, 1, 5), instant=True
        )

        told, good = imported(merchant, data, tmp_path)

        assert not good and orders_of(merchant) == 0
        assert {(error["column"], error["code"]) for error in told["errors"]} == {
            ("DbtrAcct", "another_account"), ("ReqdExctnDt", "later_day"), ("LclInstrm", "instant"),
            ("UltmtCdtr", "not_carried"), ("reference", "duplicate_reference"),
        }  # fmt: skip
        assert all(error["line"] >= 1 for error in told["errors"])

    def test_with_wrong_totals_is_refused_whole(self, merchant, tmp_path):
        data = pain(merchant, transfer()).replace(b"<NbOfTxs>1", b"<NbOfTxs>2")

        told, good = imported(merchant, data, tmp_path)

        assert not good and told["error"] == "AM18"
