"""Reactions to events: an approved instant payout goes at once."""

from __future__ import annotations

from apps.core.bells import Bell
from apps.core.consumers import consumes
from apps.core.events import StoredEvent
from apps.payments.rails import instant_rails


def _send_instants() -> None:
    from apps.payments.tasks import send_instants

    send_instants.apply_async(expires=10, retry=False)


_BELL = Bell(_send_instants)


@consumes("payments.payment_approved", consumer="payments.instant")
def wake_senders(event: StoredEvent) -> None:
    """Wake the workers for an approved payment on an instant rail; they look in the table what is due."""
    if event.payload.get("rail") in instant_rails():
        _BELL.ring()
