"""The instant rails as pure code: what they write, what they read, what they refuse."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.domain.calendars import ALWAYS
from apps.payments.formats import (
    FormatError,
    StatusReason,
    StatusReport,
    TransactionStatus,
    build_status_report,
    detect,
    read_header,
    read_interbank_transfer,
    read_message,
    read_status_inquiry,
)
from apps.payments.rails import instant_rails
from apps.payments.rails.base import Action, Instruction, Outgoing, Party, Told
from apps.payments.rails.fednow import FedNow
from apps.payments.rails.instant import ANSWER_BYTES_MAX, CODES
from apps.payments.rails.sepa_inst import SepaInstant

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 9, 12, 22, 30, 15, 120_456, tzinfo=UTC)
SEPA = Outgoing(
    message_id="ABC-1",
    created_at=AT,
    execution_date=AT.date(),
    ours=Party("Operator & Sons", "DE89370400440532013000", "MARKDEFF"),
    instructions=(
        Instruction(
            "E2E-1",
            Money(2_500, "EUR"),
            Party("Operator & Sons", "DE89370400440532013000", "MARKDEFF"),
            Party("Zoë Müller", "NL91ABNA0417164300", town="Utrecht", country="NL"),
            "Rechnung 4711 für März",
        ),
    ),
)
FED = Outgoing(
    message_id="FED-1",
    created_at=AT,
    execution_date=AT.date(),
    ours=Party("Operator Inc", "123456789012", "121042882"),
    instructions=(
        Instruction(
            "E2E-2",
            Money(5_174, "USD"),
            Party("Operator Inc", "123456789012", "121042882"),
            Party("Ada Example", "000123456789", "021000021"),
            "Invoice 4711",
        ),
    ),
)
CASES = [(SepaInstant(), SEPA), (FedNow(), FED)]


class TestWriting:
    @pytest.mark.parametrize(("rail", "outgoing"), CASES)
    def test_gives_the_same_bytes_for_the_same_payment(self, rail, outgoing):
        data = rail.build(outgoing).data

        assert data == rail.build(outgoing).data
        assert detect(data) == "pacs.008.001.08"

    def test_by_sepa_stamps_the_moment_in_milliseconds_and_transliterates(self):
        message = read_interbank_transfer(SepaInstant().build(SEPA).data)

        (transfer,) = message.transfers
        assert (transfer.type.service_level, transfer.type.local_instrument) == ("SEPA", "INST")
        assert transfer.accepted_at == AT.replace(microsecond=120_000)
        assert str(transfer.settlement_date) == "2026-09-13"  # it is past midnight in Brussels
        assert (transfer.debtor_name, transfer.creditor_name) == ("Operator + Sons", "Zoe Mueller")
        assert transfer.remittance == "Rechnung 4711 fuer Maerz"
        assert (transfer.debtor_agent.bic, transfer.creditor_agent.member) == ("MARKDEFF", "NOTPROVIDED")

    def test_by_fednow_has_the_header_the_routing_numbers_and_the_day_in_new_york(self):
        data = FedNow().build(FED).data
        header, message = read_header(read_message(data)), read_interbank_transfer(data)

        (transfer,) = message.transfers
        assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<FedNowIncoming')
        assert (header.message_id, header.receiver.member) == ("FED-1", "021150706")
        assert message.settlement.system_code == "FDN"
        assert (transfer.creditor_agent.clearing_system, transfer.creditor_agent.member) == (
            "USABA",
            "021000021",
        )
        assert str(transfer.settlement_date) == "2026-09-12"
        assert transfer.uetr is not None and transfer.uetr.version == 4

    def test_refuses_a_message_that_the_schema_would_not_take(self):
        with pytest.raises(FormatError):
            SepaInstant().build(replace(SEPA, message_id="x" * 36))


class TestInquiries:
    @pytest.mark.parametrize(("rail", "outgoing", "after_s"), [(*CASES[0], 10), (*CASES[1], 25)])
    def test_are_written_from_the_moment_on_at_which_they_are_answered(self, rail, outgoing, after_s):
        reference = outgoing.instructions[0].reference

        with pytest.raises(FormatError) as refusal:
            rail.inquire(reference, outgoing, message_id="Q", at=AT + timedelta(seconds=after_s - 0.001))
        data = rail.inquire(reference, outgoing, message_id="Q", at=AT + timedelta(seconds=after_s))

        assert refusal.value.code == "too_early"
        (question,) = read_status_inquiry(data).inquiries
        assert (question.original.message_id, question.original.end_to_end_id) == (
            outgoing.message_id,
            reference,
        )

    def test_begin_after_that(self):
        for rail, _ in CASES:
            assert rail.first_inquiry_s > rail.inquire_after_s >= rail.answer_within_s


class TestReading:
    def test_a_status_of_the_federal_reserve(self):
        data = (ROOT / "tests/data/pacs/fednow/fednow-sample-message-pacs002.xml").read_bytes()

        (event,) = FedNow().parse_inbound(data)

        assert (event.told, event.reference) == (Told.PENDING, "Scenario01EtoEId001")
        assert event.original_message_id == "20230604222222222Sc01Step1MsgId"

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            ("ACSC", Told.ACCEPTED),
            ("ACCC", Told.ACCEPTED),
            ("ACWP", Told.ACCEPTED),
            ("ACCP", Told.ACCEPTED),
            ("ACTC", Told.PENDING),
            ("PDNG", Told.PENDING),
            ("RJCT", Told.REJECTED),
        ],
    )
    def test_says_what_a_status_means(self, status, told):
        line = TransactionStatus(
            status=status,
            end_to_end_id="E",
            reasons=(StatusReason(code="AC04", text="Ada Example has left"),),
            amount=Money(1, "EUR"),
            original_message_id="M",
        )
        report = StatusReport("pacs.002.001.10", "S", AT.replace(microsecond=0), transactions=(line,))

        (event,) = SepaInstant().parse_inbound(build_status_report(report))

        assert (event.told, event.code, event.amount) == (told, "AC04", Money(1, "EUR"))
        assert "Ada" not in repr(event)

    def test_refuses_what_is_too_large_or_no_answer(self):
        for data, code in (
            (b"x" * (ANSWER_BYTES_MAX + 1), "too_large"),
            (SepaInstant().build(SEPA).data, "wrong_message"),
            (b"", "empty"),
        ):
            with pytest.raises(FormatError) as refusal:
                SepaInstant().parse_inbound(data)
            assert refusal.value.code == code

    @given(st.binary(max_size=400))
    def test_of_noise_gives_a_finding_and_nothing_else(self, noise):
        with pytest.raises(FormatError):
            FedNow().parse_inbound(noise)

    @given(st.integers(0, 2_000), st.binary(min_size=1, max_size=8))
    def test_of_a_damaged_answer_gives_a_finding_or_an_answer(self, place, damage):
        line = TransactionStatus(status="ACSC", end_to_end_id="E", original_message_id="M")
        report = StatusReport("pacs.002.001.10", "S", AT.replace(microsecond=0), transactions=(line,))
        data = build_status_report(report)
        place %= len(data)

        try:
            events = SepaInstant().parse_inbound(data[:place] + damage + data[place + len(damage) :])
        except FormatError:
            return
        assert all(event.told in set(Told) for event in events)

    def test_a_request_for_payment(self):
        request = f"""<?xml version="1.0" encoding="UTF-8"?>
        <Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.013.001.07"><CdtrPmtActvtnReq>
        <GrpHdr><MsgId>R1</MsgId><CreDtTm>2026-09-12T10:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs>
        <InitgPty><Nm>Shop</Nm></InitgPty></GrpHdr>
        <PmtInf><PmtInfId>P1</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-09-13</Dt></ReqdExctnDt>
        <XpryDt><Dt>2026-09-20</Dt></XpryDt><Dbtr><Nm>Ada Example</Nm></Dbtr>
        <DbtrAcct><Id><Othr><Id>000123456789</Id></Othr></Id></DbtrAcct>
        <DbtrAgt><FinInstnId>{_member("121042882")}</FinInstnId></DbtrAgt>
        <CdtTrfTx><PmtId><EndToEndId>E1</EndToEndId></PmtId><Amt><InstdAmt Ccy="USD">12.50</InstdAmt></Amt>
        <ChrgBr>SLEV</ChrgBr><CdtrAgt><FinInstnId>{_member("021000021")}</FinInstnId></CdtrAgt>
        <Cdtr><Nm>Shop</Nm></Cdtr><CdtrAcct><Id><Othr><Id>77</Id></Othr></Id></CdtrAcct>
        </CdtTrfTx></PmtInf></CdtrPmtActvtnReq></Document>"""

        (asked,) = FedNow().read_request(request.encode()).requests

        assert (asked.end_to_end_id, asked.amount, asked.creditor_name) == ("E1", Money(1_250, "USD"), "Shop")
        assert (asked.debtor_account, str(asked.expires_on)) == ("000123456789", "2026-09-20")


def _member(number):
    system = "<ClrSysId><Cd>USABA</Cd></ClrSysId>"
    return f"<ClrSysMmbId>{system}<MmbId>{number}</MmbId></ClrSysMmbId>"


class TestRules:
    def test_of_amount_currency_and_account(self):
        (good,) = SEPA.instructions
        rail = SepaInstant(amount_max_minor=10_000)

        assert rail.validate(good) == []
        assert [f.code for f in rail.validate(replace(good, amount=Money(10_001, "EUR")))] == ["amount"]
        assert [f.code for f in rail.validate(replace(good, amount=Money(1, "USD")))] == ["currency"]
        bad = replace(good, creditor=replace(good.creditor, account="NL00ABNA0417164300"))
        assert [f.code for f in rail.validate(bad)] == ["creditor_iban"]

    def test_of_a_routing_number(self):
        (good,) = FED.instructions

        assert FedNow().validate(good) == []
        bad = replace(good, creditor=replace(good.creditor, bank="021000022"))
        assert [f.code for f in FedNow().validate(bad)] == ["creditor_routing"]

    @pytest.mark.parametrize(("rail", "outgoing"), CASES)
    def test_of_time_know_no_closing_hour(self, rail, outgoing):
        christmas = datetime(2026, 12, 25, 12, tzinfo=UTC)

        dates = rail.quote_dates(outgoing.instructions[0], christmas, ALWAYS)

        assert (dates.submit_by, str(dates.settlement), dates.final_on) == (None, "2026-12-25", None)


class TestCodes:
    def test_are_in_the_external_code_set(self):
        codes = json.loads((ROOT / "apps/payments/formats/schemas/external_codes.json").read_text())

        # NOOR is a reason of investigations, which clearings answer inquiries with as well.
        assert set(CODES) - {"NOOR"} <= set(codes["ExternalStatusReason1Code"])

    def test_of_time_outs_are_never_a_rejection(self):
        for code in ("AB01", "AB03", "AB05", "AB06", "AB11", "TM01"):
            assert CODES[code].action is Action.INQUIRE

    def test_that_nobody_knows_are_the_owners_to_look_at(self):
        assert SepaInstant().classify("ZZZZ").action is Action.FIX


def test_both_rails_are_known():
    assert instant_rails() == ["fednow", "sepa_inst"]
