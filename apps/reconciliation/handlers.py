"""What payments tell changes what we expect at the bank."""

from __future__ import annotations

from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.consumers import consumes
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id
from apps.reconciliation.commands.expectations import KINDS, ExpectPayments

CONSUMER = "reconciliation.expect"


@consumes(
    "payments.payment_sent", "payments.payment_accepted", "payments.payment_received",
    "payments.payment_rejected", "payments.payment_cancelled", consumer=CONSUMER,
)
def expect(event: StoredEvent) -> None:
    """Expect a payment at the bank, or no longer."""
    if event.payload.get("kind") not in KINDS:
        return
    payment_id = parse_public_id("pay", event.object_id)
    execute(
        ExpectPayments(None, (payment_id,), because=str(event.id)), actor=system_actor(CONSUMER),
        key=f"{CONSUMER}:{event.id}", at=event.occurred_at,
    )
