"""The tables of mandates, returns and recalls, and what schemes allow."""

import itertools
from datetime import date
from pathlib import Path

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.payments.domain.calendars import Calendar
from apps.payments.domain.lifecycle import MACHINES, Event, Kind, State
from apps.payments.domain.machine import IllegalTransition
from apps.payments.domain.mandates import (
    MANDATE,
    MandateEvent,
    MandateNotUsable,
    MandateState,
    Recurrence,
    SequenceType,
    lapses_on,
    sequence_type,
)
from apps.payments.domain.months import add_months
from apps.payments.domain.recalls import (
    RECALL,
    RecallEvent,
    RecallReason,
    RecallState,
    TooLateToRecall,
    check_time,
    latest_day,
)
from apps.payments.domain.returns import RETURN, ReturnEvent, ReturnKind, ReturnState, kind_of

TARGET = Calendar("TARGET", frozenset(holidays.financial_holidays("TAR", years=(2026, 2027))))
TABLES = {
    "mandate": (MANDATE, MandateState, MandateEvent),
    "return": (RETURN, ReturnState, ReturnEvent),
    "recall": (RECALL, RecallState, RecallEvent),
}


@pytest.mark.parametrize("name", TABLES)
class TestTables:
    def test_reach_every_state(self, name):
        machine, states, _ = TABLES[name]
        assert set(machine.states()) == {state.value for state in states}

    def test_decide_as_they_say_and_no_other_way(self, name):
        machine, states, events = TABLES[name]
        rows = {(row.source, row.event): row for row in machine.rows}
        for state, event in itertools.product([None, *states], events):
            if (state, event) in rows:
                assert machine.decide(state, event).transition == rows[state, event]
            elif event in machine.told and state is not None:
                assert machine.decide(state, event).reason in ("late", "repeated")
            else:
                with pytest.raises(IllegalTransition):
                    machine.decide(state, event)

    def test_are_drawn_in_the_readme(self, name):
        readme = (Path(__file__).parents[3] / "apps/payments/README.md").read_text(encoding="utf-8")
        assert f"### {name}\n```mermaid\n{TABLES[name][0].diagram()}\n```" in readme


def told_in_any_order(events):
    """Fold what banks and the clock tell of a collection, as its store does: what is early waits."""
    machine, state, waiting = MACHINES[Kind.COLLECTION], State.SENT, []
    for event in events:
        decision = machine.decide(state, event)
        if decision.transition is not None:
            state = decision.transition.target
        elif machine.is_early(state, event):
            waiting.append(event)
        for early in list(waiting):
            transition = machine.decide(state, early).transition
            if transition is not None:
                waiting.remove(early)
                state = transition.target
    return state


class TestACollection:
    HISTORIES = (
        [Event.ACCEPT, Event.REJECT],
        [Event.ACCEPT, Event.SETTLE],
        [Event.ACCEPT, Event.SETTLE, Event.FINALISE],
        [Event.ACCEPT, Event.SETTLE, Event.RETURN],
        [Event.ACCEPT, Event.SETTLE, Event.FINALISE, Event.RETURN],
    )

    @given(st.sampled_from(HISTORIES), st.data())
    def test_ends_the_same_in_whatever_order_and_however_often_it_is_told(self, history, data):
        repeated = data.draw(st.lists(st.sampled_from(history), max_size=4))
        told = data.draw(st.permutations([*history, *repeated]))

        assert told_in_any_order(told) == told_in_any_order(history)

    def test_knows_what_is_told_too_early_and_what_too_late(self):
        machine = MACHINES[Kind.COLLECTION]

        assert machine.is_early(State.SENT, Event.RETURN)
        assert machine.is_early(State.APPROVED, Event.RETURN)
        assert not machine.is_early(State.REJECTED, Event.RETURN)
        assert not machine.is_early(State.RETURNED, Event.RETURN)
        assert not machine.is_early(State.SETTLED, Event.ACCEPT)


class TestSequences:
    @pytest.mark.parametrize(
        ("recurrence", "asked", "earlier", "expected"),
        [
            ("recurring", "", [], "RCUR"),
            ("recurring", "FRST", [], "FRST"),
            ("recurring", "FRST", [("returned", "FRST")], "FRST"),
            ("recurring", "FNAL", [("final", "RCUR")], "FNAL"),
            ("recurring", "", [("rejected", "FNAL")], "RCUR"),
            ("one_off", "", [], "OOFF"),
            ("one_off", "OOFF", [("returned", "OOFF")], "OOFF"),
        ],
    )
    def test_that_can_be(self, recurrence, asked, earlier, expected):
        before = [(State(state), SequenceType(one)) for state, one in earlier]
        assert sequence_type(Recurrence(recurrence), asked, before) == expected

    @pytest.mark.parametrize(
        ("recurrence", "asked", "earlier", "refusal"),
        [
            ("recurring", "OOFF", [], Invalid),
            ("recurring", "FRST", [("settled", "RCUR")], Invalid),
            ("recurring", "", [("sent", "FNAL")], MandateNotUsable),
            ("one_off", "RCUR", [], Invalid),
            ("one_off", "", [("ordered", "OOFF")], MandateNotUsable),
        ],
    )
    def test_that_cannot(self, recurrence, asked, earlier, refusal):
        before = [(State(state), SequenceType(one)) for state, one in earlier]
        with pytest.raises(refusal):
            sequence_type(Recurrence(recurrence), asked, before)


class TestTime:
    def test_lapses_36_months_after_the_last_use(self):
        assert lapses_on(date(2026, 2, 28), None) == date(2029, 2, 28)
        assert lapses_on(date(2026, 2, 28), date(2027, 5, 31)) == date(2030, 5, 31)

    @pytest.mark.parametrize(
        ("day", "months", "expected"),
        [
            (date(2026, 1, 31), 1, date(2026, 2, 28)),
            (date(2027, 12, 31), 2, date(2028, 2, 29)),
            (date(2026, 11, 30), 13, date(2027, 12, 30)),
        ],
    )
    def test_months_end_with_the_month(self, day, months, expected):
        assert add_months(day, months) == expected

    def test_recalls_are_in_time_up_to_their_last_day(self):
        executed = date(2026, 5, 4)
        last = latest_day(RecallReason.DUPLICATE, executed, TARGET)

        assert last == date(2026, 5, 18)
        assert latest_day(RecallReason.FRAUD, executed, TARGET) == date(2027, 6, 4)
        check_time(RecallReason.DUPLICATE, executed_on=executed, today=last, calendar=TARGET)
        with pytest.raises(TooLateToRecall):
            check_time(RecallReason.TECHNICAL, executed_on=executed, today=date(2026, 5, 19), calendar=TARGET)


class TestKinds:
    @pytest.mark.parametrize(
        ("reason", "collected", "kind"),
        [
            ("refund_requested", True, ReturnKind.REFUND),
            ("mandate_missing", True, ReturnKind.REFUND),
            ("insufficient_funds", True, ReturnKind.RETURN),
            ("refund_requested", False, ReturnKind.RETURN),
        ],
    )
    def test_tell_refunds_from_returns(self, reason, collected, kind):
        assert kind_of(reason, collected=collected) is kind

    def test_leave_a_missing_mandate_to_the_bank_while_it_can_return(self):
        assert kind_of("mandate_missing", collected=True, after_return_window=False) is ReturnKind.RETURN
