"""Files of returns as a bank sends them, and as somebody who means harm would."""

import io
import json
import uuid

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.formats import (
    EntryDetail,
    FormatError,
    References,
    Statement,
    StatementEntry,
    build_statements,
)
from tests.factories import SYSTEM, do
from tests.integration.payments.collecting import (
    AT,
    clearing,
    collection,
    collector,
    payment,
    report,
    return_of,
    returned,
    verified,
)


@pytest.fixture
def merchant(db):
    return collector()


@pytest.fixture
def settled(merchant, tmp_path):
    """Give three settled collections of one merchant."""
    mandate = merchant.mandate()
    keys = [merchant.collect(mandate) for _ in range(3)]
    for key in keys:
        merchant.send(key, tmp_path)
        merchant.settle(key)
    return keys


def take(data):
    return payments.import_return(data, file_name="r.xml", actor=SYSTEM, at=AT)


def import_by_hand(path, *options):
    """Run the command; give what it printed as JSON, and its exit code."""
    out = io.StringIO()
    try:
        call_command("import_return_file", str(path), "--json", *options, stdout=out)
        return json.loads(out.getvalue()), 0
    except CommandError as error:
        return json.loads(out.getvalue()), error.returncode


def reference(key):
    return payment(key).end_to_end_id


class TestAFile:
    def test_applies_what_is_good_and_names_what_is_not(self, merchant, settled):
        good, wrong, other = settled
        before = clearing()

        answer = take(
            returned(
                [
                    (reference(good), 2_500, "AM04"),
                    (reference(wrong), 2_400, "AM04"),
                    ("NOSUCHPAYMENT", 2_500, "AM04"),
                    (reference(good), 2_500, "AM04"),
                ]
            )
        )

        assert answer["applied"] == 1
        assert [(one["place"], one["code"]) for one in answer["findings"]] == [
            ("TxInf[2]", "amount_differs"),
            ("TxInf[3]", "unknown_reference"),
            ("TxInf[4]", "repeated"),
        ]
        assert [payment(key).state for key in (good, wrong, other)] == ["returned", "settled", "settled"]
        assert clearing() == (before[0] + 2_500, before[1])
        assert merchant.beside("reserve") == 5_000
        assert verified() == []

    def test_is_taken_once(self, settled):
        data = returned([(reference(settled[0]), 2_500, "AM04")])
        take(data)

        with pytest.raises(Refusal) as refusal:
            take(data)

        assert refusal.value.code == "duplicate_file"

    def test_of_an_advice_tells_returns_too(self, settled):
        entry = StatementEntry(
            position=1,
            amount=Money(-2_500, "EUR"),
            status="BOOK",
            booking_date=AT.date(),
            value_date=AT.date(),
            refs=References(acct_svcr=uuid.uuid4().hex),
            details=(
                EntryDetail(
                    amount=Money(-2_500, "EUR"),
                    refs=References(end_to_end=reference(settled[0])),
                    return_reason="MD06",
                ),
            ),
        )
        advice = Statement(
            "A1", "advice", "DE89370400440532013000", "DE89370400440532013000", "EUR", entries=(entry,)
        )
        answer = take(build_statements(message_id=uuid.uuid4().hex, created_at=AT, statements=(advice,)))

        assert (answer["applied"], answer["findings"]) == (1, [])
        assert (payment(settled[0]).state, return_of(settled[0]).kind) == ("returned", "refund")

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00\xff\xfe",
            b"<Document/>",
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09'><PmtRtr/></Document>",
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08'><FIToFICstmrCdtTrf/></Document>",
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.029.001.09'>",
            b"01,TESTBANK,CUST,260504,0900,1,80,10,2/",
            "{4:\n:20:X\n:25:1\n".encode(),
        ],
    )
    def test_that_is_none_is_refused_whole(self, db, data):
        with pytest.raises(FormatError):
            take(data)

    def test_that_is_cut_off_is_refused_whole(self, settled):
        data = returned([(reference(settled[0]), 2_500, "AM04")])
        for end in (1, len(data) // 3, len(data) // 2, len(data) - 20):
            with pytest.raises(FormatError):
                take(data[:end])
        assert payment(settled[0]).state == "settled"

    def test_whose_totals_are_wrong_is_refused_whole(self, settled):
        data = returned([(reference(settled[0]), 2_500, "AM04")])

        with pytest.raises(FormatError):
            take(data.replace(b"<CtrlSum>25.00", b"<CtrlSum>26.00"))
        with pytest.raises(FormatError):
            take(data.replace(b"<NbOfTxs>1", b"<NbOfTxs>2"))

        assert payment(settled[0]).state == "settled"

    def test_with_another_currency_is_a_finding(self, settled):
        data = returned([(reference(settled[0]), 2_500, "AM04")])

        answer = take(data.replace(b'Ccy="EUR"', b'Ccy="USD"'))

        assert [one["code"] for one in answer["findings"]] == ["amount_differs"]
        assert payment(settled[0]).state == "settled"


class TestByHand:
    def test_shows_applies_and_exits_by_what_it_found(self, settled, tmp_path):
        good, bad, broken = tmp_path / "good.xml", tmp_path / "bad.xml", tmp_path / "broken.xml"
        good.write_bytes(returned([(reference(settled[0]), 2_500, "AM04")]))
        bad.write_bytes(returned([("NOSUCH", 2_500, "AM04")]))
        broken.write_bytes(b"<a>")

        shown, shown_code = import_by_hand(good, "--dry-run")
        assert (shown_code, shown["files"][0]["format"]) == (0, "pacs.004.001.09")
        assert payment(settled[0]).state == "settled"
        applied, code = import_by_hand(good)
        assert (code, applied["files"][0]["applied"]) == (0, 1)
        found, code = import_by_hand(bad)
        assert (code, found["files"][0]["findings"][0]["code"]) == (1, "unknown_reference")
        for path in (broken, tmp_path / "missing.xml", good):
            result, code = import_by_hand(path)
            assert (code, "error" in result["files"][0]) == (1, True)

    def test_takes_status_reports_as_well(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        message_id = merchant.send(key, tmp_path)
        path = tmp_path / "status.xml"
        path.write_bytes(report(message_id, [(reference(key), "RJCT", "MD02")], status="PART"))

        _, code = import_by_hand(path)

        assert (code, payment(key).state, return_of(key).code) == (0, "rejected", "MD02")


class TestARecall:
    def test_of_what_is_no_payout_is_refused(self, merchant, settled):
        with pytest.raises(Refusal) as refusal:
            do(payments.RecallPayment(merchant.id, settled[0], "FRAD"), at=AT)

        assert refusal.value.code == "not_recallable"
        assert collection(settled[0]).reserved_until is not None
