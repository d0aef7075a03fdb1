"""What all life cycles have in common: a table of transitions, from which everything else is derived.

A row says: in this state, this event leads to that state, and the ledger books this step. An event
that does not fit is one of two things. If it comes from outside and is late or repeated, it is
recorded and changes nothing; if a person or client asks for it, it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import Conflict


class IllegalTransition(Conflict):
    code = "illegal_transition"
    title = "It is not in a state in which this can be done."


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a table. `source` None is the beginning; `step` is what the ledger books."""

    source: StrEnum | None
    event: StrEnum
    target: StrEnum
    step: StrEnum


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event does to an object: a transition, or nothing, with the reason."""

    transition: Transition | None
    reason: str = ""


class Machine:
    """The life cycle of one kind of object.

    `told` are the events that banks and providers tell: late and repeated ones are normal and never
    an error. `nothing` is the step that books nothing; diagrams leave it out.
    """

    def __init__(
        self,
        rows: Iterable[tuple[StrEnum | None, StrEnum, StrEnum, StrEnum]],
        *,
        told: frozenset[StrEnum],
        nothing: StrEnum,
    ) -> None:
        self.rows = tuple(Transition(*row) for row in rows)
        self.told, self.nothing = told, nothing
        self._by_key: dict[tuple[str | None, str], Transition] = {
            (row.source, row.event): row for row in self.rows
        }
        if len(self._by_key) != len(self.rows):
            raise ValueError("a state and an event lead to one target")

    def decide(self, state: str | None, event: StrEnum) -> Decision:
        """Decide what an event does to an object in this state.

        Raises IllegalTransition when somebody asks for what cannot be done now.
        """
        row = self._by_key.get((state, event))
        if row is not None:
            return Decision(row)
        if event in self.told and state is not None:
            return Decision(None, "repeated" if self._leads_to(event, state) else "late")
        raise IllegalTransition(state=str(state or ""), event=event.value, allowed=self.allowed(state))

    def allowed(self, state: str | None) -> list[str]:
        """Return the events that an object can meet in this state, in table order."""
        return [row.event.value for row in self.rows if row.source == state]

    def is_final(self, state: str) -> bool:
        """Tell whether nothing can happen to such an object any more."""
        return not self.allowed(state)

    def is_early(self, state: str, event: StrEnum) -> bool:
        """Tell whether an event that does not fit now can still come to fit: it was told too soon."""
        seen: set[str] = set()
        ahead = [state]
        while ahead:
            here = ahead.pop()
            if here in seen:
                continue
            seen.add(here)
            nexts = [row for row in self.rows if row.source == here]
            if any(row.event == event for row in nexts) and here != state:
                return True
            ahead += [row.target.value for row in nexts]
        return False

    def states(self) -> list[str]:
        """Return every state of the table, in table order."""
        return list(dict.fromkeys(row.target.value for row in self.rows))

    def event(self, name: str) -> StrEnum:
        """Return the event of this name. Raises KeyError when the table has none."""
        return {row.event.value: row.event for row in self.rows}[name]

    def fold(self, events: Iterable[StrEnum]) -> str | None:
        """Replay a history of applied events to the state it leads to. Raises IllegalTransition."""
        state: StrEnum | None = None
        for event in events:
            decision = self.decide(state, event)
            if decision.transition is None:
                raise IllegalTransition(state=str(state or ""), event=event.value)
            state = decision.transition.target
        return state

    def diagram(self) -> str:
        """Draw the table as a Mermaid state diagram, for the README."""
        lines = ["stateDiagram-v2"]
        for row in self.rows:
            source = row.source.value if row.source else "[*]"
            step = "" if row.step == self.nothing else f" / {row.step.value}"
            lines.append(f"    {source} --> {row.target.value}: {row.event.value}{step}")
        lines += [f"    {state} --> [*]" for state in self.states() if self.is_final(state)]
        return "\n".join(lines)

    def _leads_to(self, event: StrEnum, state: str) -> bool:
        return any(row.event == event and row.target == state for row in self.rows)
