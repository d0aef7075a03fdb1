"""A payment as APIs, stored answers and events show it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.core.http.api import money_data
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments.bulk_results import results_of
from apps.payments.domain import cards
from apps.payments.domain.fx import rate_text, shown_rate
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.models import Payment
from apps.payments.models_cards import Attempt, Dispute, Operation
from apps.payments.models_fx import FxQuote
from apps.payments.models_orders import BulkOrder, StandingOrder
from apps.payments.rails import ADAPTERS, adapter


def payment_data(payment: Payment) -> dict[str, Any]:
    """Return the JSON of a payment: no name and no IBAN, which `counterparty_id` leads to."""
    return {
        "id": public_id("pay", payment.pk),
        "type": payment.kind,
        "state": payment.state,
        "rail": payment.rail,
        "amount": money_data(payment.amount),
        "account_id": public_id("acc", payment.account_id),
        "destination_account_id": _optional("acc", payment.other_account_id),
        "counterparty_id": _optional("cpt", payment.counterparty_id),
        "parent_id": _optional("pay", payment.parent_id),
        "bulk_order_id": _optional("blk", payment.bulk_order_id),
        "standing_order_id": _optional("sto", payment.standing_order_id),
        "end_to_end_id": payment.end_to_end_id,
        "reference": payment.reference,
        "failure_code": payment.failure_code,
        "advice": _advice(payment),
        "speed": payment.speed,
        "verification_id": _optional("vop", payment.verification_id),
        "payee_result": payment.payee_result,
        "quote_id": _optional("fxq", payment.quote_id),
        "source_amount": money_data(payment.source_amount) if payment.source_amount else None,
        "exchange_rate": rate_text(payment.exchange_rate) if payment.exchange_rate else None,
        "approved": bool(payment.approved_by),
        "created_at": _time(payment.created_at),
        "changed_at": _time(payment.changed_at),
    }


def card_data(payment: Payment) -> dict[str, Any]:
    """Return the JSON of a card payment with its totals and tries. Needs the scope of its organisation."""
    from apps.payments import card_store

    details, done = card_store.details_of(payment), card_store.done_of(payment)
    attempts = list(Attempt.objects.filter(payment_id=payment.pk).order_by("number"))
    url = attempts[-1].action_url if payment.state == State.REQUIRES_ACTION else ""
    totals = {
        "captured": cards.captured(done, payment.currency),
        "refunded": cards.refunded(done, payment.currency),
        "refundable": cards.refundable(done, payment.currency),
        "disputed": cards.disputed(done, payment.currency),
    }
    return {
        **payment_data(payment),
        "card": {
            "capture": details.capture,
            **{name: money_data(amount) for name, amount in totals.items()},
            "action_url": url,
            "expires_at": _time(details.expires_at),
            "attempts": [attempt_data(attempt) for attempt in attempts],
        },
    }


def payment_or_card_data(payment: Payment) -> dict[str, Any]:
    """Return the JSON of a payment shown alone: with its totals and tries, if it is a card's."""
    return card_data(payment) if payment.kind == Kind.CARD else payment_data(payment)


def _advice(payment: Payment) -> str:
    """Say what can be done about a rejection; nothing where the rail does not tell."""
    if payment.state not in (State.REJECTED, State.FAILED) or payment.rail not in ADAPTERS:
        return ""
    return adapter(payment.rail).classify(payment.failure_code).action.value


def attempt_data(attempt: Attempt) -> dict[str, Any]:
    """Return the JSON of a try to authorise: never its token."""
    return {
        "id": public_id("att", attempt.pk),
        "payment_id": public_id("pay", attempt.payment_id),
        "number": attempt.number,
        "state": attempt.state,
        "amount": money_data(attempt.amount),
        "processor_reference": attempt.external_id,
        "failure_code": attempt.failure_code,
        "processor_code": attempt.code,
        "created_at": _time(attempt.created_at),
        "changed_at": _time(attempt.changed_at),
    }


def operation_data(operation: Operation) -> dict[str, Any]:
    """Return the JSON of a capture, void or refund."""
    return {
        "id": public_id("opr", operation.pk),
        "type": operation.type,
        "payment_id": public_id("pay", operation.payment_id),
        "state": operation.state,
        "amount": money_data(operation.amount),
        "final": operation.final,
        "processor_reference": operation.external_id,
        "failure_code": operation.failure_code,
        "processor_code": operation.code,
        "reason": operation.reason,
        "created_at": _time(operation.created_at),
        "changed_at": _time(operation.changed_at),
    }


def dispute_data(dispute: Dispute) -> dict[str, Any]:
    """Return the JSON of a dispute; what was submitted as evidence is not told."""
    due = dispute.evidence_due_at
    return {
        "id": public_id("dsp", dispute.pk),
        "payment_id": public_id("pay", dispute.payment_id),
        "state": dispute.state,
        "amount": money_data(dispute.amount),
        "reason": dispute.reason,
        "processor_reference": dispute.external_id,
        "evidence_due_at": _time(due) if due else None,
        "answer_delivered": dispute.ask_at is None,
        "created_at": _time(dispute.created_at),
        "changed_at": _time(dispute.changed_at),
    }


def fx_quote_data(quote: FxQuote, payment_id: Any = None) -> dict[str, Any]:
    """Return the JSON of a quote for exchanging currencies, and of the payment that used it."""
    exchange = quote.exchange
    return {
        "id": public_id("fxq", quote.pk),
        "sold": money_data(exchange.sold),
        "bought": money_data(exchange.bought),
        "fee": money_data(exchange.fee),
        "total": money_data(exchange.total),
        "spread": money_data(exchange.spread),
        "spread_basis_points": quote.spread_bp,
        "rate": rate_text(shown_rate(exchange.sold, exchange.bought)),
        "mid_rate": rate_text(exchange.mid),
        "source": quote.source,
        "rate_at": _time(quote.rate_at),
        "payment_id": _optional("pay", payment_id),
        "created_at": _time(quote.created_at),
        "expires_at": _time(quote.expires_at),
    }


def bulk_order_data(order: BulkOrder, *, with_results: bool = True) -> dict[str, Any]:
    """Return the JSON of a bulk order; a list goes without what was found of its payees."""
    results = results_of(order).as_data() if order.verifies_payees and with_results else None
    return {
        "id": public_id("blk", order.pk),
        "state": order.state,
        "account_id": public_id("acc", order.account_id),
        "payments": order.payment_count,
        "total": money_data(Money(order.total_minor, order.currency)),
        "reference": order.reference,
        "verifies_payees": order.verifies_payees,
        "verification": results,
        "approved": bool(order.approved_by),
        "created_at": _time(order.created_at),
        "changed_at": _time(order.changed_at),
    }


def standing_order_data(order: StandingOrder) -> dict[str, Any]:
    """Return the JSON of a standing order."""
    return {
        "id": public_id("sto", order.pk),
        "type": order.kind,
        "state": order.state,
        "account_id": public_id("acc", order.account_id),
        "destination_account_id": _optional("acc", order.other_account_id),
        "counterparty_id": _optional("cpt", order.counterparty_id),
        "amount": money_data(order.amount),
        "reference": order.reference,
        "schedule": {
            "frequency": order.frequency,
            "first": order.first_on.isoformat(),
            "last": order.last_on.isoformat() if order.last_on else None,
            "count": order.run_count_max,
            "end_of_month": order.end_of_month,
            "day_rule": order.day_rule,
        },
        "runs": order.run_number,
        "due_on": order.due_on.isoformat() if order.due_on else None,
        "execute_on": order.execute_on.isoformat() if order.execute_on else None,
        "retry_at": _time(order.retry_at) if order.retry_at else None,
        "approved": bool(order.approved_by),
        "created_at": _time(order.created_at),
        "changed_at": _time(order.changed_at),
    }


def _optional(prefix: str, key: Any) -> str | None:
    return public_id(prefix, key) if key else None


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
