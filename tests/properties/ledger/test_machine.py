"""The real database against the reference ledger, over several connections, compared after every step."""

import datetime as dt
import uuid
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core.money import Money
from apps.ledger import posting as call
from apps.ledger.domain import (
    CaptureDraft,
    Condition,
    Draft,
    HoldDraft,
    IncreaseDraft,
    JournalDraft,
    Posting,
    ReleaseDraft,
    ReversalDraft,
)
from apps.ledger.domain import ResultCode as Code

from .reference import Account, ReferenceLedger

POOL: list[psycopg.Connection[Any]] = []
"""Opened once: a connection costs more than a hundred steps."""
PHASES = (Phase.generate,)
START = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
AMOUNTS = st.one_of(st.integers(1, 120), st.sampled_from([0, -1, 2**62 - 1, 2**62, 2**63 - 1]))
SMALL = st.integers(1, 120)
PLACES = st.integers(0, 5)
DAYS = st.integers(0, 6)


class LedgerMachine(RuleBasedStateMachine):
    """Six accounts with every kind of limit; batches, holds, reversals, closed periods, time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[psycopg.Connection[Any]] = []

    @initialize(connections=st.integers(2, 8))
    def open_books(self, connections: int) -> None:
        address = django_settings.DATABASES["default"]
        self.organisation = uuid.uuid4()
        while len(POOL) < connections:
            POOL.append(
                psycopg.connect(
                    host=address["HOST"],
                    dbname=address["NAME"],
                    user="bezant_app",
                    autocommit=True,
                    prepare_threshold=1,
                )
            )
        self.connections = POOL[:connections]
        for connection in self.connections:
            connection.execute(
                "SELECT set_config('bezant.organisation', %s, false)", [str(self.organisation)]
            )
        self.reference = ReferenceLedger()
        self.at = START
        self.numbers: list[int] = []
        self.holds: list[int] = []
        self.used: list[Draft] = []
        self.ids: list[int] = []
        for code, currency, floor, ceiling in (
            ("source", "EUR", None, None),
            ("a", "EUR", 0, None),
            ("b", "EUR", 0, None),
            ("credit", "EUR", -100, None),
            ("capped", "EUR", 0, 150),
            ("dollars", "USD", None, None),
        ):
            number = self.sql(
                "SELECT account_id FROM ledger.open_account(%s, %s, %s, 'liability', %s, 'system:test', %s, %s)",
                [self.organisation, code, code, currency, floor, ceiling],
            )[0][0]
            self.ids.append(number)
            self.reference.books.accounts[number] = Account(currency, floor, ceiling)
        self.turn = 0

    def sql(self, statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        self.turn = getattr(self, "turn", 0) + 1
        return self.connections[self.turn % len(self.connections)].execute(statement, parameters).fetchall()

    def common(self, **changes: Any) -> dict[str, Any]:
        return {
            "key": uuid.uuid4(),
            "organisation_id": self.organisation,
            "effective_date": dt.date(2026, 11, 2),
            "actor": "system:test",
            "at": self.at,
        } | changes

    def send(self, drafts: list[Draft]) -> None:
        """Post a batch on the next connection and compare its codes with the reference's."""
        parameters = call._plain_parameters(drafts) + call._further_parameters(drafts)
        codes, seqs, _ = self.sql(call._FULL_STATEMENT, parameters)[0]
        expected = self.reference.post(drafts, self.at)
        assert [Code(code).name for code in codes] == [code.name for code in expected]
        if Code.POSTED not in expected:
            self.reference.roll_back_expiry()
        for draft, code, seq in zip(drafts, expected, seqs, strict=True):
            if code is Code.POSTED:
                self.reference.number(draft, seq)
                self.used.append(draft)
                (self.holds if isinstance(draft, HoldDraft) else self.numbers).append(seq)

    def journal(self, moves: list[tuple[int, int, int]], **changes: Any) -> JournalDraft:
        postings = tuple(Posting(self.ids[d], self.ids[c], Money(minor, "EUR")) for d, c, minor in moves)
        return JournalDraft(**self.common(kind="test.move", postings=postings, **changes))

    @rule(moves=st.lists(st.tuples(PLACES, PLACES, AMOUNTS), min_size=1, max_size=3), day=DAYS)
    def post_one(self, moves: list[tuple[int, int, int]], day: int) -> None:
        self.send([self.journal(moves, effective_date=dt.date(2026, 11, 1) + dt.timedelta(days=day))])

    @rule(to=st.integers(1, 4), minor=SMALL)
    def fund(self, to: int, minor: int) -> None:
        self.send([self.journal([(0, to, minor)], effective_date=dt.date(2026, 12, 1))])

    @rule(
        items=st.lists(
            st.tuples(st.lists(st.tuples(PLACES, PLACES, SMALL), min_size=1, max_size=2), st.booleans()),
            min_size=2,
            max_size=6,
        )
    )
    def post_batch(self, items: list[tuple[list[tuple[int, int, int]], bool]]) -> None:
        self.send([self.journal(moves, linked=linked) for moves, linked in items])

    @precondition(lambda self: self.used)
    @rule(data=st.data(), other=st.booleans())
    def repeat(self, data: st.DataObject, other: bool) -> None:
        draft = data.draw(st.sampled_from(self.used))
        if other and isinstance(draft, JournalDraft):
            draft = self.journal([(0, 1, 77)], key=draft.key, reference="other")
        self.send([draft, self.journal([(0, 1, 1)])])

    @rule(moves=st.tuples(PLACES, PLACES, SMALL), version=st.integers(0, 4), least=st.integers(0, 90))
    def post_on_condition(self, moves: tuple[int, int, int], version: int, least: int) -> None:
        conditions = (
            Condition(self.ids[1], version=version),
            Condition(self.ids[2], available_minor_min=least),
        )
        self.send([self.journal([moves], conditions=conditions[: 1 + least % 2])])

    @rule(account=PLACES, counter=PLACES, minor=AMOUNTS, hours=st.one_of(st.none(), st.integers(0, 9)))
    def hold(self, account: int, counter: int, minor: int, hours: int | None) -> None:
        expires = None if hours is None else self.at + dt.timedelta(hours=hours)
        self.send(
            [
                HoldDraft(
                    **self.common(
                        account_id=self.ids[account],
                        counter_id=self.ids[counter],
                        amount=Money(minor, "EUR"),
                        expires_at=expires,
                    )
                )
            ]
        )

    @precondition(lambda self: self.holds)
    @rule(
        data=st.data(),
        minors=st.lists(AMOUNTS, min_size=1, max_size=2),
        final=st.booleans(),
        to=st.one_of(st.none(), PLACES),
    )
    def capture(self, data: st.DataObject, minors: list[int], final: bool, to: int | None) -> None:
        hold = data.draw(st.sampled_from(self.holds))
        postings = tuple(
            Posting(None, None if to is None else self.ids[to], Money(minor, "EUR")) for minor in minors
        )
        self.send([CaptureDraft(**self.common(hold_id=hold, postings=postings, final=final))])

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), minor=st.one_of(st.none(), AMOUNTS), expired=st.booleans())
    def release(self, data: st.DataObject, minor: int | None, expired: bool) -> None:
        hold = data.draw(st.sampled_from(self.holds))
        self.send([ReleaseDraft(**self.common(hold_id=hold, amount_minor=minor, expired=expired))])

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), minor=AMOUNTS, currency=st.sampled_from(["EUR", "EUR", "USD"]))
    def increase(self, data: st.DataObject, minor: int, currency: str) -> None:
        hold = data.draw(st.sampled_from(self.holds))
        self.send([IncreaseDraft(**self.common(hold_id=hold, amount=Money(minor, currency)))])

    @precondition(lambda self: any(number in self.reference.books.journals for number in self.numbers))
    @rule(data=st.data(), part=st.integers(1, 120))
    def reverse(self, data: st.DataObject, part: int) -> None:
        known = [number for number in self.numbers if number in self.reference.books.journals]
        number = data.draw(st.sampled_from(known))
        postings = tuple(
            Posting(p.credit, p.debit, Money(min(part, p.amount.minor), "EUR"), reverses_line=line)
            for line, p in reversed(list(enumerate(self.reference.books.journals[number], start=1)))
        )
        self.send(
            [
                ReversalDraft(
                    **self.common(reverses_seq=number, postings=postings, effective_date=dt.date(2026, 12, 1))
                )
            ]
        )

    @rule(place=st.integers(1, 4))
    def freeze_and_thaw(self, place: int) -> None:
        account = self.reference.books.accounts[self.ids[place]]
        change = "unfrozen" if account.frozen else "frozen"
        assert self.sql(
            "SELECT outcome FROM ledger.change_account(%s, %s, 'system:test')", [self.ids[place], change]
        ) == [("done",)]
        account.frozen = not account.frozen

    @rule(day=st.integers(1, 3))
    def close_period(self, day: int) -> None:
        through = dt.date(2026, 10, 28) + dt.timedelta(days=day)
        (closed,) = self.sql(
            "SELECT ledger.close_period(%s, %s, 'system:test')", [self.organisation, through]
        )[0]
        self.reference.books.closed_through = max(through, self.reference.books.closed_through)
        assert closed == self.reference.books.closed_through

    @rule(hours=st.integers(1, 6))
    def let_time_pass(self, hours: int) -> None:
        self.at += dt.timedelta(hours=hours)

    @invariant()
    def balances_agree(self) -> None:
        if not self.connections:
            return
        found = self.sql(
            "SELECT account_id, posted, held, version FROM ledger.balance WHERE organisation_id = %s ORDER BY account_id",
            [self.organisation],
        )
        assert found == [
            (number, account.posted, account.held, account.version)
            for number, account in sorted(self.reference.books.accounts.items())
        ]
        assert sum(row[1] for row in found) == 0

    @invariant()
    def holds_agree_and_make_up_what_is_held(self) -> None:
        if not self.connections:
            return
        found = self.sql(
            "SELECT id, captured, released, remaining FROM ledger.hold WHERE organisation_id = %s ORDER BY id",
            [self.organisation],
        )
        holds = self.reference.books.holds
        assert found == [(n, h.captured, h.released, h.remaining) for n, h in sorted(holds.items())]
        for number, account in self.reference.books.accounts.items():
            assert account.held == sum(h.remaining for h in holds.values() if h.account == number)
            assert account.frozen or account.floor is None or account.posted - account.held >= account.floor


@pytest.mark.parametrize(
    "size", [pytest.param((60, 30), id="quick"), pytest.param((1500, 60), id="full", marks=pytest.mark.full)]
)
def test_the_ledger_is_the_reference_ledger(db: None, size: tuple[int, int], owner_sql: Any) -> None:
    examples, steps = size
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, phases=PHASES),
    )
    while POOL:
        POOL.pop().close()
    violations = owner_sql("SELECT name, violations, examples FROM ledger.proofs() WHERE violations > 0")
    assert violations == []
