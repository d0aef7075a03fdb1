"""How calls of providers end, technically."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.payments.circuits import circuit_of, store
from apps.payments.domain import circuits
from apps.payments.models_instant import ProviderCircuit


@dataclass(frozen=True)
class NoteCall(Command):
    """Record how a call of a provider ended, technically: answered, or with which error."""

    name: str
    error: str = ""


@handles(NoteCall, name="payments.note_provider_call", version=1, permission="payments.batch")
def note_call(command: NoteCall, context: Context) -> dict[str, Any]:
    """Move the provider's circuit. Locks its row."""
    row = ProviderCircuit.objects.select_for_update().filter(name=command.name).first()
    if row is None:
        row, _ = ProviderCircuit.objects.get_or_create(
            name=command.name,
            defaults={
                "id": context.new_id(),
                "organisation_id": accounts.operator().pk,
                "changed_at": context.at,
            },
        )
        row = ProviderCircuit.objects.select_for_update().get(pk=row.pk)
    before = circuit_of(row)
    after = circuits.failed(before, context.at) if command.error else circuits.succeeded(before)
    store(row, after, at=context.at, error=command.error)
    state = circuits.state(after, context.at)
    if after.opened != before.opened:
        context.note("provider_circuit", command.name, organisation_id=row.organisation_id, state=state)
    return {"name": command.name, "state": state}
