"""The circuit of a provider: after failures in a row nothing is sent to it for a while, then one probe is.

Only technical failures count: a provider that answers, even with a rejection, works.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FAILURES_MAX = 5
"""So many technical failures in a row open the circuit."""
PAUSES_S = (30, 60, 120, 300, 600)
"""How long it stays open: the first time, the second time in a row, and so on."""
PROBE_S = 60
"""After so long a probe that nobody has told the end of is given up, and another may go."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is remembered. `opened` counts the openings since the latest success; 0 is closed."""

    failures: int = 0
    opened: int = 0
    open_until: datetime | None = None
    probe_until: datetime | None = None


CLOSED = Circuit()


def state(circuit: Circuit, at: datetime) -> str:
    """Tell whether it is closed, open or half_open: past its pause, waiting for a probe to succeed."""
    if not circuit.opened:
        return "closed"
    return "open" if circuit.open_until is not None and at < circuit.open_until else "half_open"


def may_pass(circuit: Circuit, at: datetime) -> bool:
    """Tell whether a call may go now. A half-open circuit lets one probe through at a time."""
    known = state(circuit, at)
    if known == "half_open":
        return circuit.probe_until is None or at >= circuit.probe_until
    return known == "closed"


def probing(circuit: Circuit, at: datetime) -> Circuit:
    """Return the circuit with a call under way that may pass; only a half-open one remembers it."""
    if state(circuit, at) != "half_open":
        return circuit
    return replace(circuit, probe_until=at + timedelta(seconds=PROBE_S))


def succeeded(circuit: Circuit) -> Circuit:
    """Return the circuit after a call that was answered: closed, with nothing against it."""
    return CLOSED


def failed(circuit: Circuit, at: datetime) -> Circuit:
    """Return the circuit after a technical failure. What was under way when it opened counts no more."""
    if state(circuit, at) == "open":
        return circuit
    failures = circuit.failures + 1
    if not circuit.opened and failures < FAILURES_MAX:
        return replace(circuit, failures=failures)
    pause_s = PAUSES_S[min(circuit.opened, len(PAUSES_S) - 1)]
    return Circuit(failures, circuit.opened + 1, at + timedelta(seconds=pause_s))
