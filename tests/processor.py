"""The card processor of the tests: one server a process, on HTTP, with a clock of its own."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from apps.core import clock, tenancy
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import card_calls
from apps.payments import public as payments
from apps.payments.card_routing import processor_for
from apps.payments.formats.settlement import read_settlement
from apps.payments.models import Payment, PaymentEvent
from apps.payments.models_cards import Attempt, CardDetails, CardProcessor, Dispute, Operation
from apps.simulator.processor import Processor
from apps.simulator.processor_http import ProcessorServer
from tests import factories
from tests.factories import do

PROVIDER = "bezant_sandbox"
_server: ProcessorServer | None = None


class CardWorld:
    """Merchants of this test, the processor they share, and what it tells them."""

    def __init__(self) -> None:
        global _server
        operator = factories.operator()
        if _server is None:
            _server = ProcessorServer(Processor(), api_key="sandbox").start()
        self.server = _server
        self.at = clock.database_now()
        self.server.desk.now = lambda: self.at
        with tenancy.scope(tenancy.PLATFORM):
            exists = CardProcessor.objects.filter(currency="EUR").exists()
            self.bank = next(r for r in payments.settlement_accounts() if r.currency == "EUR")
        if not exists:
            do(payments.AddCardProcessor(None, operator, PROVIDER, "EUR", self.server.url, self.bank.id, 2))
        self.server.processor.take_events()
        self.server.processor.later.clear()
        self.server.processor.lines.clear()

    @property
    def processor(self) -> Processor:
        return self.server.processor

    @property
    def route(self):
        with tenancy.scope(tenancy.PLATFORM):
            return processor_for("EUR")

    def pass_time(self, **delta: float) -> None:
        self.at += timedelta(**delta)
        self.processor.pass_time(self.at)

    def order(self, merchant, card="tok_visa", minor=10_000, capture="automatic", **more):
        """Create a card payment and leave it unsent. Returns the answer."""
        command = payments.CreateCardPayment(
            merchant.id, merchant.accounts[0], Money(minor, "EUR"), card, capture, **more
        )
        return do(command, actor=merchant.client("payments.write"), at=self.at)

    def pay(self, merchant, card="tok_visa", minor=10_000, capture="automatic", **more) -> UUID:
        """Create a card payment and drive it. Returns its key."""
        answer = self.order(merchant, card, minor, capture, **more)
        self.drive(merchant, answer)
        return parse_public_id("pay", answer["id"])

    def drive(self, merchant, answer) -> int:
        return card_calls.drive(answer["next"], organisation_id=merchant.id, at=self.at)

    def drive_due(self) -> dict[str, int]:
        return card_calls.drive_due(at=self.at)

    def capture(self, merchant, key, minor=None, *, final=False, drive=True):
        amount = None if minor is None else Money(minor, "EUR")
        answer = do(payments.CaptureCardPayment(merchant.id, key, amount, final), at=self.at)
        if drive:
            self.drive(merchant, answer)
        return parse_public_id("opr", answer["id"])

    def refund(self, merchant, key, minor, *, drive=True):
        answer = do(payments.CreateRefund(merchant.id, key, Money(minor, "EUR")), at=self.at)
        if drive:
            self.drive(merchant, answer)
        return parse_public_id("opr", answer["id"])

    def cancel(self, merchant, key, *, drive=True):
        answer = do(payments.CancelPayment(merchant.id, key), at=self.at)
        if drive:
            self.drive(merchant, answer)
        return answer

    def tell(self, merchant, event) -> dict[str, str]:
        """Tell the platform of one event, as the verified inbox does."""
        return do(
            payments.ApplyProviderEvent(merchant.id, PROVIDER, event.id, event.type, event.data, event.at),
            at=self.at,
        )

    def events(self, merchant):
        name = public_id("org", merchant.id)
        return [one for one in self.processor.take_events() if one.merchant == name]

    def tell_all(self, merchant, events=None, dice: random.Random | None = None) -> list[dict[str, str]]:
        """Tell of events, in any order; what waits is told again until nothing more happens."""
        left, answers = list(self.events(merchant) if events is None else events), []
        for _ in range(20):
            if dice is not None:
                dice.shuffle(left)
            again = []
            for event in left:
                answer = self.tell(merchant, event)
                answers.append(answer)
                if answer["result"] == "waiting":
                    again.append(event)
            if not again:
                break
            left = again
        return answers

    def settle(self, *, book=True):
        """Let the processor pay out; import its report and show the payout on the bank's statement."""
        paid = self.processor.pay_out("EUR", at=self.at)
        if paid is None:
            return None
        report, net, name = paid
        answer = self.apply_report(report)
        if book and net.minor:
            do(payments.BookCardPayout(None, self.bank.id, net, self.at.date(), name), at=self.at)
        return answer

    def apply_report(self, report: bytes):
        """Settle what a report says."""
        lines = tuple(
            payments.SettledCard(one.reference, one.kind, one.gross, one.fee, one.payout, one.at_date)
            for one in read_settlement(report).lines
            if one.kind != "payout"
        )
        return do(payments.SettleCards(None, PROVIDER, lines), at=self.at)

    # Looking.

    def payment(self, key) -> Payment:
        with tenancy.scope(tenancy.PLATFORM):
            return Payment.objects.get(pk=key)

    def state(self, key) -> str:
        return self.payment(key).state

    def attempts(self, key):
        with tenancy.scope(tenancy.PLATFORM):
            return list(Attempt.objects.filter(payment_id=key).order_by("number"))

    def operations(self, key, kind=None):
        with tenancy.scope(tenancy.PLATFORM):
            rows = Operation.objects.filter(payment_id=key).order_by("id")
            return list(rows.filter(type=kind) if kind else rows)

    def disputes(self, key):
        with tenancy.scope(tenancy.PLATFORM):
            return list(Dispute.objects.filter(payment_id=key).order_by("id"))

    def details(self, key):
        with tenancy.scope(tenancy.PLATFORM):
            return CardDetails.objects.get(pk=key)

    def story(self, object_id):
        with tenancy.scope(tenancy.PLATFORM):
            return list(PaymentEvent.objects.filter(object_id=object_id).order_by("number"))

    def balance(self, account_id) -> int:
        with tenancy.scope(tenancy.PLATFORM):
            return ledger.balance(account_id).posted

    def of(self, merchant, key=None) -> dict[str, int]:
        """Return what a merchant has: available, pending, owed."""
        with tenancy.scope(tenancy.PLATFORM):
            details = CardDetails.objects.filter(organisation_id=merchant.id).first()
        return {
            "available": merchant.balance().posted,
            "pending": self.balance(details.pending_id),
            "owed": self.balance(details.owed_id),
        }

    def clearing(self) -> dict[str, int]:
        """Return what should be zero when everything has settled."""
        route = self.route
        return {
            "receivable": self.balance(route.receivable_id),
            "refunds": self.balance(route.refunds_id),
            "disputes": self.balance(route.disputes_id),
            "clearing_in": self.balance(self.bank.clearing_in_id),
        }

    def verify(self) -> None:
        """Assert that every row is what its events fold to."""
        with tenancy.scope(tenancy.PLATFORM):
            _, wrong = payments.verify_lives()
        assert wrong == []


def since(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return what changed: other tests of the process may have left something."""
    return {name: after[name] - before[name] for name in after}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
