"""Reactions to events: an approved instant payout goes at once, a withheld one once its account is open."""

from __future__ import annotations

from itertools import count

from apps.core.actors import system_actor
from apps.core.bells import Bell
from apps.core.commands import execute
from apps.core.consumers import consumes
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id
from apps.payments.commands.withholding import LetGoWithheld
from apps.payments.rails import instant_rails


def _send_instants() -> None:
    from apps.payments.tasks import send_instants

    send_instants.apply_async(retry=False)


_BELL = Bell(_send_instants)


@consumes("payments.payment_approved", consumer="payments.instant")
def wake_senders(event: StoredEvent) -> None:
    """Wake the workers for an approved payment on an instant rail; they look in the table what is due."""
    if event.payload.get("rail") in instant_rails():
        _BELL.ring()


@consumes("accounts.account_unblocked", consumer="payments.withheld")
def let_go(event: StoredEvent) -> None:
    """Let what was withheld of the account go; if it is blocked again by now, it stays for the next time."""
    command = LetGoWithheld(event.organisation_id, parse_public_id("acc", event.object_id))
    actor = system_actor("payments.withheld")
    for lot in count():
        key = f"payments.withheld:{event.id}:{lot}"
        if not execute(command, actor=actor, key=key, at=event.occurred_at).answer["more"]:
            return
