"""Card payments as pure rules: tables, totals, fees, and what looks like a card number."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments.domain import cards
from apps.payments.domain.card_numbers import (
    BadCardToken,
    CardNumberRefused,
    check_card_token,
    looks_like_card_number,
    luhn,
    refuse_card_numbers,
)
from apps.payments.domain.cards import DIAGRAMS, DISPUTE, DisputeEvent, DisputeState, Done
from apps.payments.domain.fees import Fee, Share, half_even, in_force, shares_of
from apps.payments.domain.lifecycle import Event
from apps.payments.domain.machine import IllegalTransition

README = (Path(__file__).parents[3] / "apps/payments/README.md").read_text(encoding="utf-8")


def eur(minor):
    return Money(minor, "EUR")


def done(kind, state, minor, final=False):
    return Done(kind, state, eur(minor), final)


class TestTables:
    @pytest.mark.parametrize("name", DIAGRAMS)
    def test_stand_in_the_readme_as_they_are(self, name):
        assert f"### {name}\n```mermaid\n{DIAGRAMS[name].diagram()}\n```" in README

    @pytest.mark.parametrize("name", DIAGRAMS)
    def test_take_every_event_in_every_state_by_the_table_or_say_why_not(self, name):
        machine = DIAGRAMS[name]
        events = {row.event for row in machine.rows}
        for state in [None, *machine.states()]:
            for event in events:
                rows = [row for row in machine.rows if (row.source, row.event) == (state, event)]
                if rows:
                    assert machine.decide(state, event).transition == rows[0]
                elif event in machine.told and state is not None:
                    assert machine.decide(state, event).reason in ("late", "repeated")
                else:
                    with pytest.raises(IllegalTransition):
                        machine.decide(state, event)

    @pytest.mark.parametrize("name", DIAGRAMS)
    @given(data=st.data())
    def test_fold_what_they_decide(self, name, data):
        machine, state, path = DIAGRAMS[name], None, []
        while not (state is not None and machine.is_final(state)):
            event = machine.event(data.draw(st.sampled_from(machine.allowed(state))))
            state = machine.decide(state, event).transition.target
            path.append(event)

        assert machine.fold(path) == state

    def test_know_what_comes_too_early(self):
        assert DISPUTE.is_early(DisputeState.OPENED, DisputeEvent.REVERSE)
        assert not DISPUTE.is_early(DisputeState.LOST, DisputeEvent.REVERSE)
        assert not DISPUTE.is_early(DisputeState.WON, DisputeEvent.REVERSE)
        assert not DISPUTE.is_early(DisputeState.CONTESTED, DisputeEvent.OPEN)


class TestTotals:
    def test_refundable_is_captured_less_refunded_pending_and_disputed(self):
        all_done = [
            done("capture", "settled", 6_000),
            done("capture", "succeeded", 4_000),
            done("capture", "failed", 9_000),
            done("refund", "succeeded", 1_000),
            done("refund", "pending", 500),
            done("refund", "failed", 700),
            done("dispute", "opened", 2_000),
            done("dispute", "lost", 300),
            done("dispute", "won", 5_000),
            done("dispute", "inquiry", 5_000),
        ]

        assert cards.captured(all_done, "EUR") == eur(10_000)
        assert cards.refunded(all_done, "EUR") == eur(1_000)
        assert cards.refundable(all_done, "EUR") == eur(6_200)

    def test_refundable_is_never_below_nothing(self):
        all_done = [
            done("capture", "succeeded", 1_000),
            done("refund", "sent", 800),
            done("dispute", "lost", 1_000),
        ]

        assert cards.refundable(all_done, "EUR") == eur(0)

    def test_capturable_counts_what_is_under_way(self):
        under_way = [done("capture", "unknown", 300), done("capture", "failed", 500)]

        assert cards.capturable(eur(1_000), under_way) == eur(700)
        assert cards.capturable(eur(1_000), [done("capture", "sent", 300, final=True)]) == eur(0)
        assert cards.capturable(eur(1_000), [done("void", "sent", 1_000)]) == eur(0)
        assert cards.capturable(eur(1_000), [done("void", "failed", 1_000)]) == eur(1_000)

    def test_captures_make_a_part_or_the_whole(self):
        assert cards.after_capture(eur(1_000), [done("capture", "succeeded", 300)]) is Event.CAPTURE_PART
        assert cards.after_capture(eur(1_000), [done("capture", "settled", 1_000)]) is Event.CAPTURE
        assert cards.after_capture(eur(1_000), [done("capture", "succeeded", 1, True)]) is Event.CAPTURE

    @pytest.mark.parametrize(
        ("all_done", "is_authorised", "event"),
        [
            ([], False, Event.RESUME_CREATED),
            ([], True, Event.RESUME_AUTHORISED),
            ([done("capture", "succeeded", 300)], True, Event.RESUME_PARTLY_CAPTURED),
            ([done("capture", "succeeded", 1_000)], True, Event.RESUME_CAPTURED),
            ([done("capture", "settled", 1_000)], True, Event.RESUME_SETTLED),
            ([done("capture", "settled", 300), done("void", "succeeded", 700)], True, Event.RESUME_SETTLED),
        ],
    )
    def test_a_review_ends_where_the_rows_say(self, all_done, is_authorised, event):
        assert cards.resume(eur(1_000), all_done, is_authorised=is_authorised) is event


class TestFees:
    @pytest.mark.parametrize(
        ("numerator", "denominator", "rounded"),
        [(5, 10, 0), (15, 10, 2), (25, 10, 2), (26, 10, 3), (24, 10, 2), (0, 10, 0)],
    )
    def test_are_rounded_half_to_even(self, numerator, denominator, rounded):
        assert half_even(numerator, denominator) == rounded

    @pytest.mark.parametrize(
        ("rule", "amount", "fee"),
        [
            ({"flat_minor": 25}, 1_000, 25),
            ({"percent_bp": 150}, 1_000, 15),
            ({"flat_minor": 10, "percent_bp": 150}, 1_050, 26),  # 15.75 rounds to 16
            ({"percent_bp": 50, "min_minor": 30}, 1_000, 30),
            ({"percent_bp": 500, "max_minor": 40}, 1_000, 40),
            ({"flat_minor": 25}, 20, 20),
            ({}, 1_000, 0),
        ],
    )
    def test_are_flat_percent_least_most(self, rule, amount, fee):
        assert Fee("EUR", **rule).of(eur(amount)) == eur(fee)

    @given(
        st.integers(0, 10**9),
        st.lists(st.integers(1, 10_000), min_size=1, max_size=10),
    )
    def test_shares_sum_to_the_fee_and_the_first_gets_the_rest(self, minor, parts):
        shares = tuple(Share(f"s{place}", part) for place, part in enumerate(parts))
        split = Fee("EUR", shares=shares).split(eur(minor))

        assert sum(amount.minor for _, amount in split) == minor
        for (_, amount), share in list(zip(split, shares, strict=True))[1:]:
            assert amount.minor == minor * share.parts // sum(parts)

    @given(st.integers(0, 10**12), st.integers(0, 10_000), st.integers(0, 10**6), st.integers(0, 10**6))
    def test_are_never_more_than_the_amount(self, amount, percent, flat, least):
        fee = Fee("EUR", flat_minor=flat, percent_bp=percent, min_minor=least).of(eur(amount))

        assert 0 <= fee.minor <= amount

    @pytest.mark.parametrize(
        "rule",
        [
            {"percent_bp": -1},
            {"percent_bp": 10_001},
            {"flat_minor": -1},
            {"min_minor": -1},
            {"min_minor": 10, "max_minor": 9},
            {"shares": ()},
            {"shares": (Share("a", 0),)},
            {"shares": (Share("a", 1), Share("a", 1))},
        ],
    )
    def test_that_cannot_be_are_refused(self, rule):
        with pytest.raises(Invalid):
            Fee("EUR", **rule)

    def test_hold_from_their_day_on(self):
        class Version:
            def __init__(self, version, day):
                self.version, self.effective_from = version, date(2026, 1, day)

        first, second, third = Version(1, 1), Version(2, 10), Version(3, 10)

        assert in_force([first, second, third], date(2026, 1, 9)) is first
        assert in_force([third, second, first], date(2026, 1, 10)) is third
        assert in_force([second], date(2026, 1, 9)) is None

    def test_shares_are_read_as_stored(self):
        assert shares_of([["platform", 7], ["partner", 3]]) == (Share("platform", 7), Share("partner", 3))
        with pytest.raises(Invalid):
            shares_of([["platform", "much"]])


NUMBERS = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011 1111 1111 1117",
    "4111-1111-1111-1111",
    "my card is 4111 1111 1111 1111 exp 12/27",
    "4111.1111.1111.1111",
    "４１１１１１１１１１１１１１１１",
    "٤١١١١١١١١١١١١١١١",
    "card4111111111111111x",
    "4111111111111111 12",
    "12 4111111111111111",
    "501800000009",
    "6304000000000000000",
]


class TestCardNumbers:
    @pytest.mark.parametrize("text", NUMBERS)
    def test_are_known_however_they_are_written(self, text):
        assert looks_like_card_number(text)
        with pytest.raises(CardNumberRefused) as refusal:
            refuse_card_numbers({"a": [{"note": text}]})
        assert "1111" not in str(refusal.value)

    @pytest.mark.parametrize(
        "text", ["", "order 1001", "4111111111111112", "000000000000", "12345678901", "pay_01j", "2026-11-24"]
    )
    def test_are_not_seen_where_there_is_none(self, text):
        assert not looks_like_card_number(text)

    def test_are_found_among_numbers_and_names_too(self):
        for body in ({"n": 4111111111111111}, {"4111111111111111": 1}, ["x", ["4111111111111111"]]):
            with pytest.raises(CardNumberRefused):
                refuse_card_numbers(body)
        refuse_card_numbers({"n": 5, "yes": True, "nothing": None, "list": ["a"]})

    def test_nested_past_measure_are_refused(self):
        body = "x"
        for _ in range(60):
            body = [body]
        with pytest.raises(CardNumberRefused):
            refuse_card_numbers(body)

    @given(st.integers(0, 10**15 - 1), st.sampled_from(["", " ", "-"]))
    def test_of_sixteen_digits_are_always_found(self, number, mark):
        body = f"{number:015d}"
        digits = next(
            f"{body}{check}" for check in range(10) if luhn(f"{body}{check}") or body.strip("0") == ""
        )
        text = mark.join(digits[at : at + 4] for at in range(0, 16, 4))

        assert looks_like_card_number(text) == (digits.strip("0") != "")

    @pytest.mark.parametrize("token", ["tok_visa", "tok_3ds", "tok_01J8ZQ"])
    def test_a_token_is_taken(self, token):
        assert check_card_token(token) == token

    @pytest.mark.parametrize(
        "token", ["", "tok_", "card_1", "tok_ö", "tok_a b", "tok_" + "x" * 97, "tok_a\n"]
    )
    def test_anything_else_is_no_token(self, token):
        with pytest.raises(BadCardToken):
            check_card_token(token)

    def test_a_number_dressed_as_a_token_is_refused_as_a_number(self):
        with pytest.raises(CardNumberRefused):
            check_card_token("tok_4111111111111111")
