"""What a processor pays out: its settlement report line by line, the payout at our bank, reserves that end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.card_routing import ProcessorRoute, processor_named
from apps.payments.card_store import books_of, operation_told, to_review
from apps.payments.domain.cards import OperationEvent, OperationState, OperationType
from apps.payments.domain.references import clean_text
from apps.payments.lifecycle_store import Origin
from apps.payments.models import Payment
from apps.payments.models_cards import Dispute, Operation
from apps.payments.routing import SettlementRoute, route_by_id

LINES_MAX = 500
"""How many lines one command takes; a longer report comes in parts."""

_KEYS = UUID("6a1f7f0e-0f4b-5d0a-8f5e-3f0b8d1c2a77")
_KINDS = ("payment", "refund", "dispute", "dispute_won", "fee", "adjustment")
_IN_DOUBT = frozenset({OperationState.SENT, OperationState.UNKNOWN, OperationState.PENDING})


@dataclass(frozen=True)
class SettledCard:
    """A line of a settlement report. Amounts are signed as the merchant sees them; `fee` is a cost."""

    reference: str  # the processor's id of the capture, refund or dispute
    kind: str
    gross: Money
    fee: Money
    payout: str
    day: date


@dataclass(frozen=True)
class SettleCards(Command):
    """Apply lines of a processor's settlement report, at most LINES_MAX. For the platform.

    A line is applied once, however often its report is brought: its journal's key follows from the line.
    """

    provider: str
    lines: tuple[SettledCard, ...]


@handles(SettleCards, name="payments.settle_cards", version=1, permission="payments.settle")
def settle_cards(command: SettleCards, context: Context) -> dict[str, Any]:
    """Settle captures and refunds, net of what the processor keeps, and book its other lines.

    Answers counts: settled, booked (lines that are no operation's), known, unknown, differ. Lines of unknown
    objects and of other amounts stay out of the books; the latter put their payment under review. Raises
    Invalid, NoProcessor.
    """
    if len(command.lines) > LINES_MAX or any(line.kind not in _KINDS for line in command.lines):
        raise Invalid(field="lines", maximum=LINES_MAX, kinds=list(_KINDS))
    run = _Run(command.provider, context)
    found = [(line, run.find(line)) for line in command.lines]
    run.lock({row.payment_id for _, row in found if row is not None})
    for line, row in found:
        run.take(line, row)
    run.post()
    context.note("card_settlement", command.provider, lines=len(command.lines), counts=run.counts)
    return {**run.counts, "payouts": run.payouts()}


@dataclass(slots=True)
class _Draft:
    """A line on its way into the books, and the operation that it settles."""

    line: SettledCard
    draft: ledger.JournalDraft
    payment: Payment | None
    operation: Operation | None


class _Run:
    """One command's work: all payments are locked before anything is posted, and all is posted in one call."""

    def __init__(self, provider: str, context: Context) -> None:
        self.provider, self.context = provider, context
        self.counts = {"settled": 0, "booked": 0, "known": 0, "unknown": 0, "differ": 0}
        self.payments: dict[UUID, Payment] = {}
        self.drafts: list[_Draft] = []
        self.keys: set[UUID] = set()

    def find(self, line: SettledCard) -> Operation | Dispute | None:
        """Return what a line is about."""
        named = {"provider": self.provider, "external_id": line.reference}
        if line.kind in ("dispute", "dispute_won"):
            return Dispute.objects.filter(**named).first()
        types = {"payment": OperationType.CAPTURE, "refund": OperationType.REFUND}
        if line.kind not in types:
            return None
        return Operation.objects.filter(type=types[line.kind].value, **named).first()

    def lock(self, keys: set[UUID]) -> None:
        """Lock the payments, in the order of their keys."""
        rows = Payment.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("id")
        self.payments = {row.pk: row for row in rows}

    def take(self, line: SettledCard, row: Operation | Dispute | None) -> None:
        """Judge a line, and draft its journal if it goes into the books."""
        if line.kind in ("fee", "adjustment"):
            self._draft(line, None, None)
        elif row is None:
            self.counts["unknown"] += 1
        elif isinstance(row, Dispute):
            self._take_dispute(line, row)
        else:
            self._take_operation(line, row)

    def post(self) -> None:
        """Post what was drafted, and settle the operations whose journals stand."""
        results = ledger.post_many([one.draft for one in self.drafts])
        for one, result in zip(self.drafts, results, strict=True):
            if result.code is ledger.ResultCode.KEY_CONFLICT:
                self._differ(one.line, one.payment)
                continue
            if not result.ok:
                raise ledger.refusal_of(result)
            if result.code is ledger.ResultCode.EXISTS and one.operation is None:
                self.counts["known"] += 1
            elif one.operation is None or one.payment is None:
                self.counts["booked"] += 1
            else:
                origin = self._origin(one.line)
                operation_told(
                    one.payment,
                    one.operation,
                    OperationEvent.SETTLE,
                    self.context,
                    origin,
                    journal_seq=result.seq,
                )
                self.counts["settled"] += 1

    def payouts(self) -> dict[str, str]:
        """Return, by payout and currency, the net amount of the lines that are in the books."""
        sums: dict[str, Money] = {}
        for one in self.drafts:
            name, net = f"{one.line.payout} {one.line.gross.currency}", one.line.gross - one.line.fee
            sums[name] = sums[name] + net if name in sums else net
        return {name: amount.decimal_text() for name, amount in sorted(sums.items())}

    def _take_operation(self, line: SettledCard, row: Operation) -> None:
        payment = self.payments[row.payment_id]
        row.refresh_from_db()
        if row.state == OperationState.SETTLED:
            self.counts["known"] += 1
            return
        signed = row.amount if row.type == OperationType.CAPTURE else -row.amount
        if line.gross.currency != row.currency or line.gross != signed:
            self._differ(line, payment)
            return
        if row.state in _IN_DOUBT:
            # That it is paid out is the strongest word that it succeeded.
            operation_told(payment, row, OperationEvent.SUCCEED, self.context, self._origin(line))
        if row.state != OperationState.SUCCEEDED:
            self._differ(line, payment)
            return
        self._draft(line, payment, row)

    def _take_dispute(self, line: SettledCard, row: Dispute) -> None:
        payment = self.payments[row.payment_id]
        signed = row.amount if line.kind == "dispute_won" else -row.amount
        if line.gross.currency != row.currency or line.gross != signed:
            self._differ(line, payment)
            return
        self._draft(line, payment, None)

    def _differ(self, line: SettledCard, payment: Payment | None) -> None:
        self.counts["differ"] += 1
        if payment is not None:
            to_review(payment, "settlement_differs", self.context, self._origin(line))

    def _draft(self, line: SettledCard, payment: Payment | None, operation: Operation | None) -> None:
        route = processor_named(self.provider, line.gross.currency)
        bank = route_by_id(route.settlement_account_id)
        lines = _postings(line, route, bank)
        key = uuid.uuid5(
            _KEYS, f"{self.provider}|{line.payout}|{line.kind}|{line.reference}|{line.gross.currency}"
        )
        if not lines or key in self.keys:
            self.counts["known"] += 1
            return
        self.keys.add(key)
        draft = ledger.JournalDraft(
            key=key,
            kind=f"card_settled_{line.kind}",
            organisation_id=payment.organisation_id if payment else route.organisation_id,
            postings=lines,
            effective_date=line.day,
            # Who brings a report again must find the same journal.
            actor=f"processor:{self.provider}",
            reference=public_id("pay", payment.pk) if payment else line.payout[:100],
        )
        self.drafts.append(_Draft(line, draft, payment, operation))

    def _origin(self, line: SettledCard) -> Origin:
        return Origin("file", f"{line.payout}:{line.reference}"[:140])


def _postings(line: SettledCard, route: ProcessorRoute, bank: SettlementRoute) -> tuple[ledger.Posting, ...]:
    """Return a line's postings. What is paid to our bank stands in its clearing until a statement shows it."""
    paid, amount = bank.clearing_in_id, Money(abs(line.gross.minor), line.gross.currency)
    pairs = {
        "payment": (paid, route.receivable_id),
        "refund": (route.refunds_id, paid),
        "dispute": (route.receivable_id, paid),
        "dispute_won": (paid, route.receivable_id),
        "adjustment": (paid, bank.suspense_id) if line.gross.minor > 0 else (bank.suspense_id, paid),
        # A fee may be written as the line's amount or as its cost.
        "fee": (paid, route.costs_id) if line.gross.minor > 0 else (route.costs_id, paid),
    }
    debit, credit = pairs[line.kind]
    # What the processor keeps back is a cost, or, where it gives some back, less of one.
    cost = Money(abs(line.fee.minor), line.fee.currency)
    kept = (route.costs_id, paid) if line.fee.minor > 0 else (paid, route.costs_id)
    postings = (
        ledger.Posting(debit=debit, credit=credit, amount=amount),
        ledger.Posting(debit=kept[0], credit=kept[1], amount=cost),
    )
    return tuple(posting for posting in postings if posting.amount.minor)


@dataclass(frozen=True)
class BookCardPayout(Command):
    """A bank statement shows a processor's payout (positive) or debit (negative). For the platform."""

    settlement_account_id: UUID
    amount: Money
    booking_date: date
    statement_line: str


@handles(BookCardPayout, name="payments.book_card_payout", version=1, permission="payments.settle")
def book_card_payout(command: BookCardPayout, context: Context) -> dict[str, Any]:
    """Post between cash and the clearing that the settlement report has filled. Raises NoRoute, Invalid."""
    route, amount = route_by_id(command.settlement_account_id), command.amount
    if amount.currency != route.currency or amount.minor == 0:
        raise Invalid(field="amount", expected=route.currency)
    pair = (
        (route.cash_id, route.clearing_in_id) if amount.minor > 0 else (route.clearing_in_id, route.cash_id)
    )
    line = clean_text(command.statement_line, field="statement_line", length_max=64, required=True)
    seq = ledger.post(
        ledger.JournalDraft(
            key=context.step_key("card_payout"),
            kind="card_payout",
            organisation_id=route.organisation_id,
            postings=(
                ledger.Posting(
                    debit=pair[0], credit=pair[1], amount=Money(abs(amount.minor), amount.currency)
                ),
            ),
            effective_date=command.booking_date,
            actor=str(context.actor),
            reference=line,
        )
    ).seq
    context.note("statement_line", line, journal=seq, kind="card_payout", account=public_id("sta", route.id))
    return {"journal": seq}


@dataclass(frozen=True)
class ReleaseReserves(Command):
    """Make captured amounts available whose reserve has ended. For the platform."""

    limit: int = 200


@handles(ReleaseReserves, name="payments.release_reserves", version=1, permission="payments.batch")
def release_reserves(command: ReleaseReserves, context: Context) -> dict[str, Any]:
    """Release what is due, oldest first. A refund or dispute has taken its part of pending already.

    What the books refuse (a frozen or closed account) is put off for an hour and holds up nobody else.
    """
    due = list(
        Operation.objects.filter(release_at__lte=context.at, released_at=None)
        .order_by("release_at")
        .values_list("pk", "payment_id")[: max(1, min(command.limit, 1_000))]
    )
    # In the order of accounts: two runs then wait for each other and never in a circle.
    payments = list(
        Payment.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(pk__in={payment_id for _, payment_id in due})
        .order_by("account_id", "id")
    )
    wanted = {key for key, _ in due}
    return {"released": sum(_release(payment, wanted, context) for payment in payments)}


def _release(payment: Payment, wanted: set[UUID], context: Context) -> int:
    rows = Operation.objects.filter(payment_id=payment.pk, pk__in=wanted, released_at=None).order_by("id")
    released = 0
    for row in rows:
        with tenancy.scope(payment.organisation_id):
            books = books_of(payment)
            assert row.booked_seq is not None, "what is to be released was booked"
            net = sum(
                line.amount_minor
                * ((line.credit_id == books.pending_id) - (line.debit_id == books.pending_id))
                for line in ledger.journal(row.booked_seq).postings
            )
            amount = min(Money(net, row.currency), books.pending())
            try:
                books.release(amount, context, str(row.pk))
            except ledger.LedgerRefusal as refusal:
                Operation.objects.filter(pk=row.pk).update(release_at=context.at + timedelta(hours=1))
                context.note(
                    "operation",
                    public_id("opr", row.pk),
                    organisation_id=payment.organisation_id,
                    not_released=refusal.code,
                )
                continue
            Operation.objects.filter(pk=row.pk).update(released_at=context.at)
        context.note(
            "operation",
            public_id("opr", row.pk),
            organisation_id=payment.organisation_id,
            released_minor=amount.minor,
            currency=row.currency,
        )
        released += 1
    return released
