"""The circuits of providers, as rows: asked by routing, told by whoever calls a provider.

They belong to the operator and are read in the platform's scope. Lock order: a circuit comes before a
payment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.payments.domain import circuits
from apps.payments.domain.circuits import Circuit
from apps.payments.models_instant import ProviderCircuit


class CircuitOpen(Refusal):
    code = "provider_unavailable"
    status = 503
    title = "The provider fails at the moment; nothing is sent to it until it works again."


def admit(name: str, *, at: datetime) -> None:
    """Let a call pass, as the one probe if the circuit is half open. Raises CircuitOpen.

    Needs an open transaction; locks the circuit's row if there is something against it.
    """
    with tenancy.scope(tenancy.PLATFORM):
        row = ProviderCircuit.objects.filter(name=name).first()
        if row is None or not row.opened:
            return
        row = ProviderCircuit.objects.select_for_update().get(pk=row.pk)
        circuit = circuit_of(row)
        if not circuits.may_pass(circuit, at):
            raise CircuitOpen(provider=name)
        store(row, circuits.probing(circuit, at), at=at, error=row.latest_error)


def passable(names: Iterable[str], *, at: datetime) -> dict[str, bool]:
    """Tell of each provider whether a call may go now. Needs an open transaction."""
    wanted = list(names)
    with tenancy.scope(tenancy.PLATFORM):
        rows = {row.name: circuit_of(row) for row in ProviderCircuit.objects.filter(name__in=wanted)}
    return {name: circuits.may_pass(rows.get(name, circuits.CLOSED), at) for name in wanted}


def is_clean(name: str) -> bool:
    """Tell whether nothing is held against a provider, so that a success need not be recorded."""
    with tenancy.scope(tenancy.PLATFORM):
        row = ProviderCircuit.objects.filter(name=name).first()
    return row is None or circuit_of(row) == circuits.CLOSED


def circuit_of(row: ProviderCircuit) -> Circuit:
    """Read the circuit out of its row."""
    return Circuit(row.failures, row.opened, row.open_until, row.probe_until)


def store(row: ProviderCircuit, circuit: Circuit, *, at: datetime, error: str) -> None:
    """Write the circuit into its locked row."""
    row.failures, row.opened = circuit.failures, circuit.opened
    row.open_until, row.probe_until = circuit.open_until, circuit.probe_until
    row.latest_error, row.changed_at = error[:40], at
    row.save()
