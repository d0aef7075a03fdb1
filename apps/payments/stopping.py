"""Stopping an account that a return in the ACH has closed for us, and telling of it."""

from __future__ import annotations

from uuid import UUID

from apps.core.commands import Context
from apps.core.ids import public_id
from apps.payments.events_ach import CounterpartyStoppedFact
from apps.payments.models import AchItem, Counterparty, Rail


def stop_account(
    counterparty_id: UUID, code: str, context: Context, *, organisation_id: UUID, payment_id: UUID | None
) -> None:
    """Send nothing to this account any more, until its owner says what is right. Once said, it stays said."""
    row = Counterparty.objects.select_for_update().get(pk=counterparty_id)
    if row.stopped_code:
        return
    row.stopped_code = code[:4]
    row.save(update_fields=["stopped_code"])
    context.emit(
        CounterpartyStoppedFact(
            counterparty_id=public_id("cpt", row.pk),
            payment_id=public_id("pay", payment_id) if payment_id else "",
            code=row.stopped_code,
        ),
        organisation_id=organisation_id,
    )


def account_of_entry(payment_id: UUID, counterparty_id: UUID | None, rail: str) -> UUID | None:
    """Return the account a payment's entry really went to, which a correction may have changed since."""
    if rail != Rail.ACH:
        return None
    item = AchItem.objects.filter(payment_id=payment_id).order_by("-id").first()
    return item.counterparty_id if item is not None else counterparty_id
