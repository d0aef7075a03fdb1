"""Which rail a payout takes, what follows a failure, and when a provider is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.domain import circuits, retries
from apps.payments.domain.circuits import CLOSED, FAILURES_MAX, PAUSES_S, Circuit
from apps.payments.domain.retries import ATTEMPTS_MAX, RULES, STOP, Step, next_step
from apps.payments.domain.routing import Candidate, NoRail, Speed, choose
from apps.payments.rails.base import Action
from apps.payments.rails.instant import CODES

AT = datetime(2026, 9, 12, tzinfo=UTC)
SLOW = Candidate("sepa_ct", frozenset({"EUR"}), 99_999_999_999, instant=False, cost_minor=10)
FAST = Candidate("sepa_inst", frozenset({"EUR"}), 10_000_000, instant=True, cost_minor=20)
DOLLARS = Candidate("ach", frozenset({"USD"}), 99_999_999, instant=False, cost_minor=5)
ALL = (SLOW, FAST, DOLLARS)
EURO = Money(2_500, "EUR")


def without(candidate, **changes):
    return Candidate(**{**{n: getattr(candidate, n) for n in Candidate.__slots__}, **changes})


class TestChoosing:
    def test_follows_the_speed_that_is_wished(self):
        assert choose(ALL, amount=EURO, speed=Speed.STANDARD) == "sepa_ct"
        assert choose(ALL, amount=EURO, speed=Speed.INSTANT) == "sepa_inst"

    def test_takes_another_rail_rather_than_none(self):
        big = Money(20_000_000, "EUR")

        assert choose(ALL, amount=big, speed=Speed.INSTANT) == "sepa_ct"
        assert choose((FAST, DOLLARS), amount=EURO, speed=Speed.STANDARD) == "sepa_inst"

    def test_takes_the_cheaper_of_two_alike(self):
        dear = without(SLOW, rail="other", cost_minor=11)

        assert choose((dear, SLOW), amount=EURO, speed=Speed.STANDARD) == "sepa_ct"

    @pytest.mark.parametrize(
        ("changes", "amount", "reason"),
        [
            ({}, Money(1, "USD"), "currency"),
            ({}, Money(10_000_001, "EUR"), "amount"),
            ({"connected": False}, EURO, "not_connected"),
            ({"healthy": False}, EURO, "unavailable"),
        ],
    )
    def test_refuses_a_demanded_rail_that_cannot_and_says_why(self, changes, amount, reason):
        with pytest.raises(NoRail) as refusal:
            choose((without(FAST, **changes), SLOW), amount=amount, speed=Speed.INSTANT, rail="sepa_inst")

        assert refusal.value.facts["rails"] == {"sepa_inst": reason}

    def test_says_for_every_rail_why_not(self):
        with pytest.raises(NoRail) as refusal:
            choose(ALL, amount=EURO, speed=Speed.INSTANT, tried={"sepa_ct", "sepa_inst"})

        assert refusal.value.facts["rails"] == {"sepa_ct": "tried", "sepa_inst": "tried", "ach": "currency"}

    @given(st.permutations(ALL), st.sampled_from(Speed), st.integers(1, 10**11))
    def test_does_not_depend_on_the_order(self, shuffled, speed, minor):
        amount = Money(minor, "EUR")

        assert choose_or_none(shuffled, amount, speed) == choose_or_none(ALL, amount, speed)


def choose_or_none(candidates, amount, speed):
    try:
        return choose(candidates, amount=amount, speed=speed)
    except NoRail:
        return None


class TestRetries:
    def test_of_what_nobody_has_a_rule_for_are_none(self):
        assert next_step("account_closed", on_this_rail=1, in_all=1, may_change_rail=True) == STOP

    def test_wait_and_then_change_the_rail(self):
        steps = [next_step("not_sent", on_this_rail=n, in_all=n, may_change_rail=True) for n in range(1, 4)]

        assert [(s.step, s.wait_s) for s in steps] == [
            (Step.AGAIN, 5),
            (Step.AGAIN, 60),
            (Step.OTHER_RAIL, 0),
        ]

    def test_change_no_rail_that_the_order_names(self):
        assert next_step("not_reachable", on_this_rail=1, in_all=1, may_change_rail=False) == STOP

    @given(st.sampled_from(sorted(RULES)), st.integers(1, 20), st.integers(0, 20), st.booleans())
    def test_end(self, code, on_this_rail, others, may_change_rail):
        in_all = on_this_rail + others

        step = next_step(code, on_this_rail=on_this_rail, in_all=in_all, may_change_rail=may_change_rail)

        assert in_all < ATTEMPTS_MAX or step == STOP

    def test_have_a_rule_for_every_code_that_asks_for_one(self):
        asked = {c.code for c in CODES.values() if c.action in (Action.RETRY, Action.OTHER_RAIL)}

        assert asked <= set(retries.RULES)


class TestACircuit:
    def failed(self, times, at=AT):
        circuit = CLOSED
        for _ in range(times):
            circuit = circuits.failed(circuit, at)
        return circuit

    def test_opens_at_the_last_of_the_failures(self):
        assert circuits.may_pass(self.failed(FAILURES_MAX - 1), AT)
        assert not circuits.may_pass(self.failed(FAILURES_MAX), AT)

    def test_counts_failures_in_a_row_alone(self):
        almost = self.failed(FAILURES_MAX - 1)

        assert circuits.succeeded(almost) == CLOSED

    def test_lets_one_probe_through_after_its_pause(self):
        later = AT + timedelta(seconds=PAUSES_S[0])
        half = self.failed(FAILURES_MAX)

        assert (circuits.state(half, later), circuits.may_pass(half, later)) == ("half_open", True)
        probed = circuits.probing(half, later)
        assert not circuits.may_pass(probed, later)
        assert circuits.may_pass(probed, later + timedelta(seconds=circuits.PROBE_S))

    def test_stays_open_longer_after_each_failed_probe(self):
        circuit, at, pauses = self.failed(FAILURES_MAX), AT, []
        for _ in range(7):
            pauses.append(int((circuit.open_until - at).total_seconds()))
            at = circuit.open_until
            circuit = circuits.failed(circuits.probing(circuit, at), at)

        assert pauses == [30, 60, 120, 300, 600, 600, 600]

    def test_is_not_kept_open_by_what_was_under_way(self):
        circuit = self.failed(FAILURES_MAX)

        assert circuits.failed(circuit, AT + timedelta(seconds=1)) == circuit

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=40))
    def test_is_closed_by_any_success(self, calls):
        circuit, at = Circuit(), AT
        for well, wait_s in calls:
            at += timedelta(seconds=wait_s)
            if circuits.may_pass(circuit, at):
                circuit = circuits.probing(circuit, at)
                circuit = circuits.succeeded(circuit) if well else circuits.failed(circuit, at)
            assert circuit.opened or circuit.failures < FAILURES_MAX
        assert circuits.succeeded(circuit) == CLOSED
