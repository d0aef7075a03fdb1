"""Every pain and pacs file of the collection: verdict, counts and sums as its manifest states."""

from decimal import Decimal

import pytest

from apps.payments.formats import (
    FormatError,
    detect,
    read_credit_transfer,
    read_direct_debit,
    read_header,
    read_interbank_transfer,
    read_message,
    read_payment_request,
    read_payment_return,
    read_recall,
    read_recall_answer,
    read_status_report,
    validate,
)
from tests.unit.formats.samples import DATA, cases, expectations, sha16

PAIN, PACS = cases("pain"), cases("pacs")
READERS = {
    "pain.001": read_credit_transfer,
    "pain.002": read_status_report,
    "pain.008": read_direct_debit,
    "pain.013": read_payment_request,
    "pacs.002": read_status_report,
    "pacs.004": read_payment_return,
    "pacs.008": read_interbank_transfer,
    "camt.029": read_recall_answer,
    "camt.056": read_recall,
}


def of_kind(*kinds):
    return [case for case in PAIN if case.values[1]["format"][:8] in kinds]


class TestMessageFiles:
    @pytest.mark.parametrize("area", ["pain", "pacs"])
    def test_are_all_described(self, area):
        files = {str(path.relative_to(DATA / area)) for path in (DATA / area).rglob("*.xml")}

        assert files == set(expectations(area))

    @pytest.mark.parametrize(("path", "facts"), PAIN + PACS)
    def test_are_the_bytes_of_the_manifest(self, path, facts):
        assert sha16(path) == facts["sha256"]

    @pytest.mark.parametrize(("path", "facts"), PAIN + PACS)
    def test_are_told_apart(self, path, facts):
        assert detect(path) == facts["format"]

    @pytest.mark.parametrize(("path", "facts"), PAIN + PACS)
    @pytest.mark.parametrize("strict", [True, False])
    def test_get_the_verdict(self, path, facts, strict):
        report = validate(path, strict=strict)

        assert report.valid is facts["valid"]
        assert report.format == facts["format"]

    @pytest.mark.parametrize(("path", "facts"), PAIN + PACS)
    def test_are_read_or_refused_by_their_reader(self, path, facts):
        read = READERS[facts["format"][:8]]

        if facts["valid"]:
            read(path.read_bytes())
        else:
            with pytest.raises(FormatError):
                read(path.read_bytes())

    @pytest.mark.parametrize(("path", "facts"), PAIN + PACS)
    def test_refuse_another_expectation(self, path, facts):
        report = validate(path, as_format="NACHA")

        assert not report.valid
        assert report.findings[0].code == "wrong_format"


class TestInstructionFiles:
    @pytest.mark.parametrize(("path", "facts"), of_kind("pain.001", "pain.008"))
    def test_have_the_stated_counts_and_sums(self, path, facts):
        totals, said = validate(path).totals, facts["facts"]

        assert totals["groups"] == said["PmtInf"]
        assert totals["transactions"] == said["txs"]
        assert sum(map(Decimal, totals["sums"].values())) == Decimal(said["sum"])

    @pytest.mark.parametrize(("path", "facts"), of_kind("pain.001", "pain.008"))
    def test_have_the_stated_header(self, path, facts):
        header = read_message(path.read_bytes()).body[0]
        values = {el.tag.rpartition("}")[2]: el.text for el in header}

        assert values["MsgId"] == facts["facts"]["MsgId"]
        assert values["NbOfTxs"] == facts["facts"]["NbOfTxs"]
        assert values["CtrlSum"] == facts["facts"]["CtrlSum"]

    def test_with_wrong_control_totals_are_answered_as_a_bank_would(self):
        report = validate(DATA / "pain/pain.001/sepa_pain_001_v3_multiple_pmtinf.xml")

        errors = {finding.code for finding in report.findings if finding.severity == "error"}
        assert errors == {"AM18", "AM10"}


class TestStatusFiles:
    @pytest.mark.parametrize(("path", "facts"), of_kind("pain.002"))
    def test_have_the_stated_statuses_and_reasons(self, path, facts):
        report, said = read_status_report(path.read_bytes()), facts["facts"]

        statuses = [["GrpSts", report.status]] if report.status else []
        reasons = list(report.reasons)
        for group in report.groups:
            statuses += [["PmtInfSts", group.status]] if group.status else []
            reasons += group.reasons
            for transaction in group.transactions:
                statuses.append(["TxSts", transaction.status])
                reasons += transaction.reasons
        assert report.message_id == said["MsgId"]
        assert statuses == said["statuses"]
        assert [reason.code for reason in reasons if reason.code] == said.get("reasons", [])


class TestEnvelopes:
    def test_of_fednow_carry_the_header(self):
        path = DATA / "pacs/fednow/fednow-sample-message-pacs002.xml"

        header = read_header(read_message(path.read_bytes()))

        assert header is not None
        assert header.message_name == "pacs.002.001.10"
        assert header.sender.member == "111111111"

    def test_of_rtp_hold_a_body_without_document(self):
        message = read_message((DATA / "pacs/rtp/camt056.refund.xml").read_bytes())

        assert message.name == "camt.056.001.08"
        assert message.body.tag.endswith("FIToFIPmtCxlReq")
