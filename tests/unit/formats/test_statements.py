"""The statement model: proof, fingerprints, opened entries, joined pages; and status and settlement reports."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from apps.core.money import Money
from apps.payments.formats import (
    Balance,
    BankCode,
    Charge,
    EntryDetail,
    FormatError,
    GroupStatus,
    References,
    SettlementMapping,
    Statement,
    StatementEntry,
    StatusReason,
    StatusReport,
    TransactionStatus,
    build_status_report,
    join_pages,
    open_entry,
    read_settlement,
    read_statements,
    read_status_report,
)
from apps.payments.formats.statements import Summary, number_occurrences
from tests.unit.formats.samples import DATA

DAY = date(2026, 9, 1)


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


def entry(minor: int, position: int = 1, **values) -> StatementEntry:
    return StatementEntry(
        position, values.pop("amount", euro(minor)), values.pop("status", "BOOK"), DAY, DAY, **values
    )


def statement(*entries: StatementEntry, opening=0, closing=0, **values) -> Statement:
    balances = []
    if opening is not None:
        balances.append(Balance("OPBD", euro(opening), DAY))
    if closing is not None:
        balances.append(Balance("CLBD", euro(closing), DAY))
    base = {"id": "S", "kind": "statement", "account": "A", "iban": "", "currency": "EUR"}
    return Statement(**(base | values), balances=tuple(balances), entries=entries)


class TestProof:
    def test_holds_where_the_booked_entries_foot(self):
        assert statement(entry(500), entry(-200), opening=100, closing=400).proof.proven

    def test_ignores_what_is_not_booked(self):
        assert statement(entry(500), entry(99, status="PDNG"), opening=0, closing=500).proof.proven

    def test_takes_the_previous_closing_for_a_missing_opening(self):
        said = replace(
            statement(entry(5), opening=None, closing=15),
            balances=(Balance("PRCD", euro(10)), Balance("CLBD", euro(15))),
        )

        assert said.proof.proven

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            (statement(entry(1), opening=0, closing=2), "balances_do_not_foot"),
            (statement(entry(1), opening=None, closing=1), "balances_missing"),
            (statement(entry(1), opening=0, closing=None), "balances_missing"),
            (statement(entry(0, amount=Money(1, "USD")), closing=1), "mixed_currencies"),
            (statement(entry(1), closing=1, currency="XXX"), "mixed_currencies"),
            (statement(entry(1), closing=1, kind="interim"), "provisional"),
            (statement(entry(1), closing=1, kind="advice"), "advice_only"),
            (statement(entry(1), closing=1, last_page=False), "more_pages"),
            (statement(entry(1), closing=1, summary=Summary(entries=2)), "summary_disagrees"),
            (statement(entry(1), closing=1, summary=Summary(credit_sum="0.02")), "summary_disagrees"),
            (statement(entry(1), closing=1, summary=Summary(credit_sum="abc")), "summary_disagrees"),
        ],
    )
    def test_fails_with_its_reason(self, said, reason):
        assert not said.proof.proven
        assert reason in said.proof.reasons

    def test_suspects_the_signs_of_reversals(self):
        said = statement(entry(100), entry(30, reversal=True), opening=0, closing=70)

        assert said.proof.reasons == ("balances_do_not_foot", "reversal_signs_suspected")


class TestFingerprint:
    def test_tells_genuinely_identical_entries_apart(self):
        twins = number_occurrences([entry(5), entry(5, 2)], "A")

        assert [item.occurrence for item in twins] == [1, 2]
        assert twins[0].fingerprint("A") != twins[1].fingerprint("A")

    def test_is_the_same_in_an_overlapping_statement(self):
        first = number_occurrences([entry(5), entry(7, 2)], "A")
        second = number_occurrences([entry(7, 1), entry(9, 2)], "A")

        assert first[1].fingerprint("A") == second[0].fingerprint("A")

    def test_is_scoped_to_the_account_and_follows_the_bank_reference(self):
        one = entry(5, refs=References(acct_svcr="R1"), info="said so")
        other = entry(5, refs=References(acct_svcr="R1"), info="said otherwise")

        assert one.fingerprint("A") == other.fingerprint("A")
        assert one.fingerprint("A") != one.fingerprint("B")


class TestOpenEntry:
    def test_opens_a_batch_into_its_details(self):
        batch = entry(-300, details=(EntryDetail(euro(-100)), EntryDetail(euro(-200))))

        assert [line.amount.minor for line in open_entry(batch)] == [-100, -200]

    def test_makes_the_charges_between_them_a_line(self):
        batch = entry(
            -310, details=(EntryDetail(euro(-100)), EntryDetail(euro(-200))), charges=(Charge(euro(-10)),)
        )

        assert [(line.kind, line.amount.minor) for line in open_entry(batch)] == [
            ("detail", -100),
            ("detail", -200),
            ("charge", -10),
        ]

    def test_keeps_an_entry_whole_whose_details_do_not_explain_it(self):
        batch = entry(-315, details=(EntryDetail(euro(-100)), EntryDetail(euro(-200))))

        assert [(line.kind, line.amount.minor) for line in open_entry(batch)] == [("entry", -315)]

    def test_keeps_an_entry_whole_whose_details_have_no_amount(self):
        batch = entry(-300, details=(EntryDetail(None), EntryDetail(euro(-200))))

        assert len(open_entry(batch)) == 1

    def test_splits_a_credit_from_the_charge_taken_out_of_it(self):
        detail = EntryDetail(euro(95), instructed=euro(100), charges=(Charge(euro(-5)),))

        assert [(line.kind, line.amount.minor) for line in open_entry(entry(95, details=(detail,)))] == [
            ("detail", 100),
            ("charge", -5),
        ]


class TestJoinPages:
    def pages(self):
        first = statement(entry(10), opening=0, closing=10, page=1, last_page=False, sequence="7")
        second = statement(entry(20), opening=10, closing=30, page=2, sequence="7", to_date=DAY)
        return first, second

    def test_joins_a_complete_run_in_any_order(self):
        for run in (self.pages(), self.pages()[::-1]):
            (joined,) = join_pages(run)

            assert joined.proof.proven
            assert [item.position for item in joined.entries] == [1, 2]
            assert (joined.opening, joined.closing) == (euro(0), euro(30))

    def test_leaves_an_incomplete_run_in_doubt(self):
        first, second = self.pages()
        third = replace(second, page=3)

        assert all("more_pages" in page.proof.reasons for page in join_pages([first, third]))
        assert join_pages([first]) == (first,)

    def test_does_not_join_pages_that_do_not_follow(self):
        first, second = self.pages()
        other = replace(second, balances=(Balance("OPBD", euro(11)), Balance("CLBD", euro(31))))

        assert len(join_pages([first, other])) == 2

    def test_leaves_single_statements_alone(self):
        singles = [statement(entry(1), closing=1), statement(entry(1), closing=1)]

        assert join_pages(singles) == tuple(singles)

    def test_proves_real_statements_in_two_and_three_pages(self):
        file = read_statements(DATA / "mt940/betterplace_sepa_mt9401.sta")

        joined = join_pages(file.statements)

        assert (len(file.statements), len(joined)) == (26, 20)
        assert all(item.proof.proven for item in joined)


class TestStatusOf:
    reason = StatusReason("AC04")

    def report(self, **values):
        base = {
            "format": "pain.002.001.10",
            "message_id": "M",
            "created_at": datetime(2026, 9, 1, tzinfo=UTC),
        }
        return StatusReport(**(base | values))

    def test_takes_the_payments_own_line_first(self):
        tx = TransactionStatus("RJCT", "E1", reasons=(self.reason,))
        report = self.report(status="ACTC", groups=(GroupStatus("G", "ACCP", transactions=(tx,)),))

        assert report.status_of("E1", group_id="G") == ("RJCT", (self.reason,))
        assert report.status_of("E2", group_id="G") == ("ACCP", ())
        assert report.status_of("E2", group_id="other") == ("ACTC", ())

    def test_says_nothing_about_the_silent_part_of_a_partial_file(self):
        assert self.report(status="PART").status_of("E1") == ("", ())
        assert self.report().status_of("E1") == ("", ())

    def test_refuses_a_rejection_without_a_reason(self):
        data = build_status_report(
            self.report(status="RJCT", original_message_id="O", original_message_name="pain.001.001.09")
        )

        with pytest.raises(FormatError) as refusal:
            read_status_report(data)

        assert refusal.value.code == "reason_missing"

    def test_refuses_to_write_a_version_it_does_not_know(self):
        with pytest.raises(FormatError) as refusal:
            build_status_report(self.report(format="pain.002.001.12"))

        assert refusal.value.code == "wrong_message"


HEAD = "reference,kind,gross,fee,net,currency,date,payout\n"


class TestReadSettlement:
    def test_sums_up_per_payout_and_currency(self):
        data = HEAD + (
            "r1,payment,100.00,2.90,97.10,EUR,2026-09-01,P1\n"
            "r2,refund,-20.00,0.00,-20.00,EUR,2026-09-01,P1\n"
            "r3,dispute,-10.00,15.00,-25.00,EUR,2026-09-02,P1\n"
            "r4,payment,1000,36,964,JPY,2026-09-02,P2\n"
            ",payout,-52.10,0,-52.10,EUR,2026-09-03,P1\n"
        )

        report = read_settlement(data.encode())

        assert report.payouts() == {("P1", "EUR"): euro(5210), ("P2", "JPY"): Money(964, "JPY")}
        assert [line.kind for line in report.lines] == ["payment", "refund", "dispute", "payment", "payout"]

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("r,payment,10.00,1.00,8.99,EUR,2026-09-01,P", "net"),
            ("r,payment,10.001,0,10.001,EUR,2026-09-01,P", "amount_decimals"),
            ("r,payment,1e3,0,1e3,EUR,2026-09-01,P", "bad_amount"),
            ("r,payment,1,0,1,ZZZ,2026-09-01,P", "unknown_currency"),
            ("r,gift,1,0,1,EUR,2026-09-01,P", "kind"),
            ("r,payment,1,0,1,EUR,01.09.2026,P", "bad_date"),
            ("r,payment,1,0,1,EUR,2026-09-01", "columns"),
            ('r,"payment,1,0,1,EUR,2026-09-01,P', "csv_syntax"),
        ],
    )
    def test_refuses_a_bad_line_with_its_number(self, line, code):
        good = "r0,payment,1.00,0,1.00,EUR,2026-09-01,P\n"

        with pytest.raises(FormatError) as refusal:
            read_settlement((HEAD + good + line + "\n").encode())

        assert refusal.value.code == code
        assert refusal.value.line in (3, 4)

    def test_keeps_the_good_lines_when_lenient(self):
        data = HEAD + "r0,payment,1.00,0,1.00,EUR,2026-09-01,P\nr1,payment,1.00,0,2.00,EUR,2026-09-01,P\n"

        report = read_settlement(data.encode(), lenient=True)

        assert [line.reference for line in report.lines] == ["r0"]
        assert [(finding.code, finding.line) for finding in report.findings] == [("net", 3)]

    def test_checks_a_payout_line_against_its_lines(self):
        data = HEAD + "r0,payment,1.00,0,1.00,EUR,2026-09-01,P\n,payout,-0.99,0,-0.99,EUR,2026-09-01,P\n"

        with pytest.raises(FormatError) as refusal:
            read_settlement(data.encode())

        assert refusal.value.code == "payout_total"

    def test_follows_a_declared_mapping(self):
        mapping = SettlementMapping(
            name="other",
            columns={
                "reference": "Ref", "kind": "Type", "gross": "Gross", "fee": "Fee", "net": "Net", "currency": "Cur",
                "date": "Day", "payout": "Batch",
            },
            kinds={"SALE": "payment"},
            delimiter=";",
            encoding="windows-1252",
            minor_units=True,
            fee_sign=-1,
            date_format="%d.%m.%Y",
        )  # fmt: skip
        data = "Batch;Ref;Type;Gross;Fee;Net;Cur;Day\nB1;Zürich;SALE;1000;-29;971;eur;01.09.2026\n"

        (line,) = read_settlement(data.encode("windows-1252"), mapping=mapping).lines

        assert (line.fee, line.net, line.at_date, line.reference) == (euro(29), euro(971), DAY, "Zürich")

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "columns"),
            (b"a,b\n", "columns"),
            (b"\xff\xfe", "encoding"),
            (HEAD.encode() + b"\0", "nul_byte"),
        ],
    )
    def test_refuses_what_is_no_report(self, data, code):
        with pytest.raises(FormatError) as refusal:
            read_settlement(data)

        assert refusal.value.code == code


class TestMt940Dialects:
    def test_of_asn_reads_its_own_entry_lines(self):
        data = (
            b":20:0000000000\n:25:NL81ASNB9999999999\n:28C:1/1\n:60F:C200101EUR404,81\n"
            b":61:200101D65,00NOVBNL47INGB9999999999\nhr gjlm paulissen\n:86:NL47INGB9999999999 hr gjlm\n\n"
            b":62F:C200101EUR339,81\n"
        )

        (said,) = read_statements(data, dialect="asn").statements

        assert said.proof.proven
        assert said.entries[0].bank_code == BankCode(proprietary="NOVB")
