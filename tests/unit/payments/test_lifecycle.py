"""The transition tables: what they allow, what they refuse, and that they hang together."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payments.domain.lifecycle import MACHINES, Event, Kind, State
from apps.payments.domain.machine import IllegalTransition

KINDS = list(Kind)


class TestTables:
    @pytest.mark.parametrize("kind", KINDS)
    def test_reach_every_state_they_name(self, kind):
        reached, frontier = set(), {None}
        while frontier:
            nexts = {row.target for row in MACHINES[kind].rows if row.source in frontier}
            reached, frontier = reached | frontier, nexts - reached - frontier

        assert reached >= {row.source for row in MACHINES[kind].rows}

    # A card may be captured in parts, too.
    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Kind.CARD])
    def test_have_no_circle_but_by_a_person_or_a_counted_retry(self, kind):
        ends = {Event.CONFIRM, Event.RETRY, Event.LET_GO}

        def walk(state, seen):
            assert state not in seen
            for row in MACHINES[kind].rows:
                if row.source == state and row.event not in ends:
                    walk(row.target, seen | {state})

        walk(None, frozenset())

    def test_draw_themselves(self):
        assert "ordered --> approved: approve" in MACHINES[Kind.PAYOUT].diagram()


class TestDecide:
    @pytest.mark.parametrize(
        ("kind", "state", "event"),
        [(kind, state, event) for kind, state, event in itertools.product(KINDS, [None, *State], Event)],
    )
    def test_gives_the_row_of_the_table_or_says_why_not(self, kind, state, event):
        machine = MACHINES[kind]
        rows = [row for row in machine.rows if (row.source, row.event) == (state, event)]

        if rows:
            assert machine.decide(state, event).transition == rows[0]
        elif event in machine.told and state is not None:
            assert machine.decide(state, event).reason in ("late", "repeated")
        else:
            with pytest.raises(IllegalTransition):
                machine.decide(state, event)

    def test_calls_a_second_settlement_repeated_and_a_rejection_after_it_late(self):
        machine = MACHINES[Kind.PAYOUT]

        assert machine.decide(State.SETTLED, Event.SETTLE).reason == "repeated"
        assert machine.decide(State.SETTLED, Event.REJECT).reason == "late"

    def test_tells_what_would_be_possible(self):
        with pytest.raises(IllegalTransition) as refusal:
            MACHINES[Kind.PAYOUT].decide(State.SETTLED, Event.CANCEL)

        assert refusal.value.facts == {"state": "settled", "event": "cancel", "allowed": ["return"]}


class TestFold:
    @given(st.sampled_from(KINDS), st.data())
    def test_follows_every_path_of_the_table(self, kind, data):
        machine, state, path = MACHINES[kind], None, []
        while not (state is not None and machine.is_final(state)):
            event = Event(data.draw(st.sampled_from(machine.allowed(state))))
            state = machine.decide(state, event).transition.target
            path.append(event)
            if data.draw(st.booleans()):
                break

        assert machine.fold(path) == state

    def test_refuses_a_history_that_cannot_have_been(self):
        with pytest.raises(IllegalTransition):
            MACHINES[Kind.PAYOUT].fold([Event.ORDER, Event.SETTLE])


class TestReadme:
    @pytest.mark.parametrize("kind", KINDS)
    def test_shows_the_tables_as_they_are(self, kind):
        readme = (Path(__file__).parents[3] / "apps/payments/README.md").read_text(encoding="utf-8")

        assert f"```mermaid\n{MACHINES[kind].diagram()}\n```" in readme
