"""What payments tell changes what we expect at the bank; what people match has its effect."""

from __future__ import annotations

from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.consumers import consumes
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id
from apps.reconciliation.commands.expectations import KINDS, ExpectPayments
from apps.reconciliation.running import apply_matches

CONSUMER = "reconciliation.expect"


@consumes(
    "payments.payment_sent",
    "payments.payment_accepted",
    "payments.payment_received",
    "payments.payment_rejected",
    "payments.payment_cancelled",
    consumer=CONSUMER,
)
def expect(event: StoredEvent) -> None:
    """Expect a payment at the bank, or no longer."""
    if event.payload.get("kind") not in KINDS:
        return
    payment_id = parse_public_id("pay", event.object_id)
    execute(
        ExpectPayments(None, (payment_id,), because=str(event.id)),
        actor=system_actor(CONSUMER),
        key=f"{CONSUMER}:{event.id}",
        at=event.occurred_at,
    )


@consumes("reconciliation.match_made", "reconciliation.run_finished", consumer="reconciliation.apply")
def apply(event: StoredEvent) -> None:
    """Let matches that a person or a run made have their effect; those that had it have none again."""
    apply_matches(
        parse_public_id("ban", event.payload["bank_account_id"]),
        actor=system_actor("reconciliation.apply"),
        at=event.occurred_at,
    )
