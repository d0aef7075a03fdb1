"""The tables of prenotes and of arguments about returns: whole, and drawn in the README as they are."""

import itertools
from pathlib import Path

import pytest

from apps.payments.domain.machine import IllegalTransition
from apps.payments.domain.prenotes import PRENOTE, PrenoteEvent, PrenoteState
from apps.payments.domain.return_disputes import RETURN_DISPUTE, DisputeEvent, DisputeState

README = (Path(__file__).parents[3] / "apps/payments/README.md").read_text(encoding="utf-8")
TABLES = {
    "prenote": (PRENOTE, PrenoteState, PrenoteEvent),
    "return dispute": (RETURN_DISPUTE, DisputeState, DisputeEvent),
}


@pytest.mark.parametrize("name", TABLES)
class TestATable:
    def test_is_drawn_as_it_is(self, name):
        assert f"### {name}\n```mermaid\n{TABLES[name][0].diagram()}\n```" in README

    def test_reaches_every_state(self, name):
        machine, states, _ = TABLES[name]

        assert set(machine.states()) == {state.value for state in states}

    def test_decides_every_event_in_every_state(self, name):
        machine, states, events = TABLES[name]
        for state, event in itertools.product([None, *states], events):
            rows = [row for row in machine.rows if (row.source, row.event) == (state, event)]
            if rows:
                assert machine.decide(state, event).transition == rows[0]
            elif event in machine.told and state is not None:
                assert machine.decide(state, event).reason in ("late", "repeated")
            else:
                with pytest.raises(IllegalTransition):
                    machine.decide(state, event)
