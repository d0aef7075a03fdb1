"""Asking payments back that have left."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.domain.recalls import RECALL
from apps.payments.formats import (
    Agent,
    OriginalPayment,
    RecallAnswer,
    RecallAnswerMessage,
    build_recall_answer,
    read_recall,
)
from apps.payments.recall_files import recall_bytes
from tests import factories
from tests.factories import SYSTEM, PayoutFactory, do
from tests.integration.payments.collecting import AT, clearing, payment, return_of, returned, verified

BANK = Agent(bic="COBADEFFXXX")


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=100_000)


@pytest.fixture
def sent(merchant, tmp_path):
    """Give a payout that has left and settled."""
    command = PayoutFactory(
        organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(2_500, "EUR")
    )
    key = parse_public_id("pay", do(command, at=AT)["id"])
    list(
        payments.export_batches(
            rail="sepa_ct", execution_date=AT.date(), folder=tmp_path, actor=SYSTEM, at=AT
        )
    )
    do(payments.SettlePayment(merchant.id, key, Money(2_500, "EUR"), AT.date(), f"line-{key.hex}"), at=AT)
    return key


def recall(key):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.Recall.objects.filter(payment_id=key).first()


def ask(merchant, key, reason="DUPL", *, at=AT):
    return do(payments.RecallPayment(merchant.id, key, reason, "sent twice"), at=at)


def hand_over(folder):
    return list(payments.send_recalls(folder=folder, actor=SYSTEM, at=AT))


def answer(key, status, *, reason="", cancellation_id=None):
    row = recall(key)
    data = build_recall_answer(
        RecallAnswerMessage(
            id=f"{status}{key.hex[:20]}",
            created_at=AT,
            sender=BANK,
            receiver=BANK,
            confirmation=status,
            answers=(
                RecallAnswer(
                    status,
                    row.message_id if cancellation_id is None else cancellation_id,
                    OriginalPayment(end_to_end_id=payment(key).end_to_end_id),
                    reason=reason,
                ),
            ),
        )
    )
    return payments.import_return(data, file_name="a.xml", actor=SYSTEM, at=AT)


class TestARequest:
    def test_goes_out_as_a_file_that_names_the_payment(self, merchant, sent, tmp_path):
        told = ask(merchant, sent)
        folder = tmp_path / "out"

        assert hand_over(folder) == [told["message_id"]]

        (path,) = folder.glob("*.xml")
        (entry,) = read_recall(path.read_bytes()).recalls
        assert (entry.reason, entry.cancellation_id) == ("DUPL", told["message_id"])
        assert (entry.original.end_to_end_id, entry.original.amount) == (
            payment(sent).end_to_end_id,
            Money(2_500, "EUR"),
        )
        assert path.read_bytes() == recall_bytes(recall(sent).pk)
        assert (recall(sent).state, hand_over(folder)) == ("sent", [])

    def test_is_made_once(self, merchant, sent, owner_sql):
        ask(merchant, sent)
        with pytest.raises(Refusal) as refusal:
            ask(merchant, sent, "FRAD")

        assert refusal.value.code == "not_recallable"
        with pytest.raises(IntegrityError), tenancy.scope(tenancy.PLATFORM):
            row = recall(sent)
            row.pk, row.message_id = merchant.id, "another"
            row.save(force_insert=True)

    @pytest.mark.parametrize(
        ("reason", "days", "code"),
        [
            ("DUPL", 14, None),
            ("DUPL", 15, "too_late_to_recall"),
            ("FRAD", 390, None),
            ("FRAD", 400, "too_late_to_recall"),
            ("MOOD", 0, "invalid"),
        ],
    )
    def test_has_its_reasons_and_their_time(self, merchant, sent, reason, days, code):
        at = AT + timedelta(days=days)
        if code is None:
            assert ask(merchant, sent, reason, at=at)["state"] == "requested"
            return
        with pytest.raises(Refusal) as refusal:
            ask(merchant, sent, reason, at=at)
        assert refusal.value.code == code

    def test_of_another_organisation_is_none(self, sent):
        other = factories.merchant()
        with pytest.raises(Refusal) as refusal:
            ask(other, sent)
        assert refusal.value.code == "not_found"


class TestAnAnswer:
    def test_by_word_moves_no_money(self, merchant, sent, tmp_path):
        before = clearing()
        ask(merchant, sent)
        hand_over(tmp_path / "out")

        waiting = answer(sent, "PDCR")
        slow = recall(sent).state
        refused = answer(sent, "RJCR", reason="CUST")

        assert (waiting["applied"], slow) == (1, "pending")
        assert (refused["applied"], recall(sent).state, recall(sent).answer_code) == (1, "refused", "CUST")
        assert (payment(sent).state, clearing()) == ("settled", before)

    def test_by_money_ends_it_even_after_a_refusal(self, merchant, sent, tmp_path):
        ask(merchant, sent)
        hand_over(tmp_path / "out")
        answer(sent, "RJCR", reason="CUST")
        data = returned([(payment(sent).end_to_end_id, 2_500, "FOCR")])

        payments.import_return(data, file_name="r.xml", actor=SYSTEM, at=AT)

        assert (payment(sent).state, recall(sent).state) == ("returned", "accepted")
        assert (return_of(sent).reason_class, return_of(sent).state) == ("recalled", "told")
        assert merchant.balance().posted == 100_000
        assert verified() == []

    def test_that_is_late_repeated_or_unknown_is_a_finding(self, merchant, sent, tmp_path):
        ask(merchant, sent)
        hand_over(tmp_path / "out")
        answer(sent, "RJCR", reason="CUST")

        late = answer(sent, "PDCR")
        with pytest.raises(Refusal) as again:
            answer(sent, "RJCR", reason="CUST")

        assert late["findings"][0]["code"] == "late"
        assert again.value.code == "duplicate_file"

    def test_is_found_by_the_payment_when_it_forgets_our_reference(self, merchant, sent, tmp_path):
        ask(merchant, sent)
        hand_over(tmp_path / "out")

        answer(sent, "PDCR", cancellation_id="theirs")

        assert recall(sent).state == "pending"


def test_every_transition_of_the_table_happens(merchant, tmp_path):
    """Walk each path of the table through the commands."""
    paths = [
        ["send", "wait", "refuse", "money"],
        ["send", "wait", "money"],
        ["send", "refuse"],
        ["send", "money"],
        ["money"],
    ]
    for number, path in enumerate(paths):
        command = PayoutFactory(
            organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(100 + number, "EUR")
        )
        key = parse_public_id("pay", do(command, at=AT)["id"])
        list(
            payments.export_batches(
                rail="sepa_ct", execution_date=AT.date(), folder=tmp_path, actor=SYSTEM, at=AT
            )
        )
        amount = Money(100 + number, "EUR")
        do(payments.SettlePayment(merchant.id, key, amount, AT.date(), f"line-{key.hex}"), at=AT)
        ask(merchant, key)
        steps = {
            "send": lambda: hand_over(tmp_path / "out"),
            "wait": lambda key=key: answer(key, "PDCR"),
            "refuse": lambda key=key: answer(key, "RJCR", reason="CUST"),
            "money": lambda key=key, amount=amount: payments.import_return(
                returned([(payment(key).end_to_end_id, amount.minor, "FOCR")]),
                file_name="r.xml",
                actor=SYSTEM,
                at=AT,
            ),
        }
        for step in path:
            steps[step]()

    with tenancy.scope(tenancy.PLATFORM):
        rows = payments.PaymentEvent.objects.filter(applied=True, object_type="recall")
        happened = set(rows.values_list("from_state", "event").distinct())
    assert happened >= {(row.source or "", row.event.value) for row in RECALL.rows}
