"""What is written is read back equal, for every message that can be written; and written twice it is the same bytes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.payments.formats import (
    Agent,
    ApplicationHeader,
    build_credit_transfer,
    build_direct_debit,
    build_interbank_debit,
    build_interbank_transfer,
    build_payment_return,
    build_recall,
    build_recall_answer,
    build_statements,
    build_status_inquiry,
    build_status_report,
    detect,
    read_credit_transfer,
    read_direct_debit,
    read_header,
    read_interbank_debit,
    read_interbank_transfer,
    read_message,
    read_payment_return,
    read_recall,
    read_recall_answer,
    read_statements,
    read_status_inquiry,
    read_status_report,
    validate,
    wrap,
)
from tests.unit.formats import strategies as given_

few = settings(max_examples=40)


def check(message, build, read):
    data = build(message)

    assert read(data) == message
    assert build(message) == data
    assert validate(data).valid


class TestRoundTrip:
    @few
    @given(given_.credit_batches)
    def test_of_credit_transfers(self, batch):
        check(batch, build_credit_transfer, read_credit_transfer)

    @few
    @given(given_.debit_batches)
    def test_of_direct_debits(self, batch):
        check(batch, build_direct_debit, read_direct_debit)

    @few
    @given(given_.transfer_messages)
    def test_of_interbank_transfers(self, message):
        check(message, build_interbank_transfer, read_interbank_transfer)

    @few
    @given(given_.debit_messages)
    def test_of_interbank_debits(self, message):
        check(message, build_interbank_debit, read_interbank_debit)

    @few
    @given(given_.return_messages)
    def test_of_returns(self, message):
        check(message, build_payment_return, read_payment_return)

    @few
    @given(given_.inquiry_messages)
    def test_of_inquiries(self, message):
        check(message, build_status_inquiry, read_status_inquiry)

    @few
    @given(given_.recall_messages)
    def test_of_recalls(self, message):
        check(message, build_recall, read_recall)

    @few
    @given(given_.answer_messages)
    def test_of_answers_to_recalls(self, message):
        check(message, build_recall_answer, read_recall_answer)

    @few
    @given(given_.status_reports)
    def test_of_status_reports(self, report):
        check(report, build_status_report, read_status_report)

    @pytest.mark.parametrize("kind", ["statement", "interim", "advice"])
    @few
    @given(data=st.data(), message_id=given_.identifiers, at=given_.moments)
    def test_of_statements(self, kind, data, message_id, at):
        said = data.draw(given_.statements(kind))
        written = build_statements(message_id=message_id, created_at=at, statements=(said,))

        (read,) = read_statements(written).statements

        assert replace(read, line=None, entries=()) == replace(said, entries=())
        plain = [replace(entry, line=None, occurrence=1) for entry in read.entries]
        assert plain == list(said.entries)
        assert build_statements(message_id=message_id, created_at=at, statements=(said,)) == written

    @few
    @given(message=given_.transfer_messages, sender=given_.agents, receiver=given_.agents, at=given_.moments)
    @pytest.mark.parametrize("envelope", ["plain", "fednow"])
    def test_of_an_envelope(self, envelope, message, sender, receiver, at):
        header = ApplicationHeader(sender, receiver, message.message_id, "pacs.008.001.08", at)

        wrapped = wrap(build_interbank_transfer(message), header, envelope=envelope)

        assert detect(wrapped) == "pacs.008.001.08"
        assert read_header(read_message(wrapped)) == header
        assert read_interbank_transfer(wrapped) == message


class TestEnvelope:
    def test_needs_a_header_of_its_message(self):
        from apps.payments.formats import FormatError, Inquiry, InquiryMessage, OriginalPayment

        at = given_.datetime(2026, 9, 1, tzinfo=given_.UTC)
        document = build_status_inquiry(InquiryMessage("M", at, (Inquiry(OriginalPayment(tx_id="T")),)))
        header = ApplicationHeader(Agent("DEUTDEFF"), Agent("DEUTDEFF"), "M", "pacs.008.001.08", at)

        with pytest.raises(FormatError) as refusal:
            wrap(document, header)

        assert refusal.value.code == "wrong_message"
