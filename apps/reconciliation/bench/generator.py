"""Makes statement lines and expectations from a seed, and writes down what is true of them.

The same seed and size give the same rows; `order` is the order they are stored in. Every kind of match and every kind of break is planted;
payers, days and amounts recur, as they do at a bank.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from apps.reconciliation.domain.calendar import add_business_days
from apps.reconciliation.lines import content_id

FIRST_DAY = date(2026, 9, 1)
DAYS = 20
AS_OF = date(2026, 10, 2)
CURRENCY, OTHER_CURRENCY = "EUR", "USD"


@dataclass(slots=True)
class Line:
    """A line of a statement to be stored."""

    id: UUID
    amount_minor: int
    day: date
    end_to_end: str = ""
    creditor_reference: str = ""
    batch_id: str = ""
    message_id: str = ""
    payer: int | None = None


@dataclass(slots=True)
class Expected:
    """An expectation to be stored."""

    id: UUID
    amount_minor: int
    due: date
    end_to_end: str = ""
    creditor_reference: str = ""
    batch_id: str = ""
    message_id: str = ""
    group_reference: str = ""
    payer: int | None = None
    currency: str = CURRENCY
    elsewhere: bool = False  # on another of our bank accounts


@dataclass
class World:
    """Everything that was made, and the truth: what belongs together, and what is wrong with the rest."""

    lines: list[Line] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    matches: set[frozenset[UUID]] = field(default_factory=set)
    reasons: dict[UUID, str] = field(default_factory=dict)  # by line, or by expectation where it is missing


class Generator:
    """Plants units, each a match or a break, until there are enough lines."""

    def __init__(self, *, seed: int, size: int, noise: float, order: int = 0) -> None:
        self.dice, self.order = random.Random(seed), random.Random(order)
        self.seed, self.size, self.noise = seed, size, noise
        self.world = World()
        self.number = 0
        self.payers = max(size // 2, 10)

    def make(self) -> World:
        """Make the world."""
        clean: list[tuple[int, Callable[[], None]]] = [
            (60, self._reference),
            (12, self._creditor_reference),
            (15, self._counterparty),
            (4, self._batch),
            (3, self._one_to_many),
            (3, self._many_to_one),
            (2, self._settlement),
            (1, self._reference_in_capitals),
        ]
        broken = (
            self._over,
            self._under,
            self._wrong_sum,
            self._wrong_currency,
            self._wrong_reference,
            self._wrong_direction,
            self._wrong_account,
            self._duplicate,
            self._ambiguous,
            self._missing,
            self._unexplained,
        )
        weights, kinds = [weight for weight, _ in clean], [kind for _, kind in clean]
        turn = 0
        while len(self.world.lines) < self.size:
            if self.dice.random() < self.noise:
                broken[turn % len(broken)]()
                turn += 1
            else:
                self.dice.choices(kinds, weights)[0]()
        while len(self.world.expected) < self.size:
            self._not_due_yet()
        # They are stored in no particular order, as if files had come in any.
        self.order.shuffle(self.world.lines)
        self.order.shuffle(self.world.expected)
        return self.world

    def _name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.seed:04X}{self.number:010d}"

    def _key(self, kind: str) -> UUID:
        return content_id(FIRST_DAY, "bench", str(self.seed), self._name(kind))

    def _amount(self) -> int:
        amount = (
            self.dice.choice((1_000, 2_500, 5_000, 9_900))
            if self.dice.random() < 0.2
            else (self.dice.randint(101, 5_000_000))
        )
        return amount if self.dice.random() < 0.5 else -amount

    def _due(self) -> date:
        return add_business_days(FIRST_DAY, self.dice.randrange(DAYS - 8))

    def _late(self, due: date) -> date:
        return add_business_days(due, self.dice.choice((0, 0, 1, 1, 2, 3)))

    def _line(self, amount: int, day: date, **more: object) -> Line:
        row = Line(self._key("L"), amount, day, **more)  # type: ignore[arg-type]
        self.world.lines.append(row)
        return row

    def _expect(self, amount: int, due: date, **more: object) -> Expected:
        row = Expected(self._key("E"), amount, due, **more)  # type: ignore[arg-type]
        self.world.expected.append(row)
        return row

    def _true(self, *rows: Line | Expected) -> None:
        self.world.matches.add(frozenset(row.id for row in rows))

    def _payer(self) -> int:
        return self.dice.randrange(self.payers)

    def _pair(self, *, change: int = 0, **names: object) -> tuple[Line, Expected]:
        amount, due = self._amount(), self._due()
        payer = self._payer()
        sign = 1 if amount > 0 else -1
        ours = self._expect(amount, due, payer=payer, **names)
        theirs = self._line(amount + sign * change, self._late(due), payer=payer, **names)
        return theirs, ours

    def _reference(self) -> None:
        self._true(*self._pair(end_to_end=self._name("R")))

    def _reference_in_capitals(self) -> None:
        theirs, ours = self._pair(end_to_end=self._name("RC"))
        theirs.payer = None  # many banks leave the other side out
        self._true(theirs, ours)

    def _creditor_reference(self) -> None:
        theirs, ours = self._pair(creditor_reference=self._name("RF"))
        theirs.end_to_end = self._name("X")  # the payer's own reference
        theirs.payer = self._payer()  # somebody else pays the invoice
        self._true(theirs, ours)

    def _counterparty(self) -> None:
        self._true(*self._pair())

    def _batch(self) -> None:
        due, name, message = self._due(), self._name("B"), self._name("M")
        ours = [
            self._expect(
                -self.dice.randint(100, 900_000),
                due,
                batch_id=name,
                message_id=message,
                end_to_end=self._name("BE"),
                payer=self._payer(),
            )
            for _ in range(self.dice.randint(2, 12))
        ]
        told = {"batch_id": name} if self.dice.random() < 0.5 else {"message_id": message}
        self._true(self._line(sum(row.amount_minor for row in ours), self._late(due), **told), *ours)

    def _one_to_many(self) -> None:
        due, payer = self._due(), self._own_payer()
        reference = self._name("RF") if self.dice.random() < 0.5 else ""
        ours = [
            self._expect(self.dice.randint(1_000, 900_000), due, payer=payer, creditor_reference=reference)
            for _ in range(self.dice.randint(2, 5))
        ]
        total = sum(row.amount_minor for row in ours)
        self._true(self._line(total, self._late(due), payer=payer, creditor_reference=reference), *ours)

    def _many_to_one(self) -> None:
        due, payer, reference = self._due(), self._own_payer(), self._name("RF")
        parts = [self.dice.randint(1_000, 900_000) for _ in range(self.dice.randint(2, 4))]
        ours = self._expect(sum(parts), due, payer=payer, creditor_reference=reference)
        theirs = [
            self._line(part, self._late(due), payer=payer, creditor_reference=reference) for part in parts
        ]
        self._true(ours, *theirs)

    def _own_payer(self) -> int:
        self.number += 1
        return self.payers + self.number

    def _settlement(self) -> None:
        due, group = self._due(), self._name("G")
        gross = [self.dice.randint(500, 90_000) for _ in range(self.dice.randint(2, 9))]
        fee = -sum(amount // 50 + 25 for amount in gross)
        ours = [self._expect(amount, due, group_reference=group) for amount in (*gross, fee)]
        self._true(
            self._line(sum(row.amount_minor for row in ours), self._late(due), end_to_end=group), *ours
        )

    def _over(self) -> None:
        theirs, _ = self._pair(end_to_end=self._name("O"), change=self.dice.randint(1, 90))
        self.world.reasons[theirs.id] = "over"

    def _wrong_sum(self) -> None:
        """A settlement whose net amount is not the sum of its parts."""
        due, group = self._due(), self._name("PO")
        gross = [self.dice.randint(500, 90_000) for _ in range(3)]
        ours = [self._expect(amount, due, group_reference=group) for amount in gross]
        less = sum(row.amount_minor for row in ours) - self.dice.randint(1, 90)
        self.world.reasons[self._line(less, self._late(due), end_to_end=group).id] = "under"

    def _under(self) -> None:
        theirs, _ = self._pair(end_to_end=self._name("U"), change=-self.dice.randint(1, 90))
        self.world.reasons[theirs.id] = "under"

    def _wrong_currency(self) -> None:
        theirs, ours = self._pair(end_to_end=self._name("C"))
        ours.currency = OTHER_CURRENCY
        self.world.reasons[theirs.id] = "currency"

    def _wrong_reference(self) -> None:
        theirs, ours = self._pair(end_to_end=self._name("D"))
        theirs.end_to_end = self._name("WRONG")
        # Of a payer of its own: beside another payment of the same amount it would truly be ambiguous.
        theirs.payer = ours.payer = self._own_payer()
        self.world.reasons[theirs.id] = "data"

    def _wrong_direction(self) -> None:
        theirs, _ = self._pair(end_to_end=self._name("W"))
        theirs.amount_minor = -theirs.amount_minor
        self.world.reasons[theirs.id] = "data"

    def _wrong_account(self) -> None:
        theirs, ours = self._pair(end_to_end=self._name("A"))
        ours.elsewhere = True
        self.world.reasons[theirs.id] = "data"

    def _duplicate(self) -> None:
        theirs, _ = self._pair(end_to_end=self._name("T"))
        again = self._line(theirs.amount_minor, theirs.day, end_to_end=theirs.end_to_end, payer=theirs.payer)
        self.world.reasons[theirs.id] = self.world.reasons[again.id] = "duplicate"

    def _ambiguous(self) -> None:
        amount, due, payer = self._amount(), self._due(), self._own_payer()
        for _ in range(2):
            self._expect(amount, due, payer=payer)
            theirs = self._line(amount, self._late(due), payer=payer)
            self.world.reasons[theirs.id] = "ambiguous"

    def _missing(self) -> None:
        # Of a payer of its own: a line of that payer and amount that nothing explains would speak of it.
        ours = self._expect(self._amount(), self._due(), end_to_end=self._name("N"), payer=self._own_payer())
        self.world.reasons[ours.id] = "missing"

    def _unexplained(self) -> None:
        theirs = self._line(self._amount(), self._due(), end_to_end=self._name("X"), payer=self._own_payer())
        self.world.reasons[theirs.id] = "unexplained"

    def _not_due_yet(self) -> None:
        self._expect(
            self._amount(), AS_OF + timedelta(days=3), end_to_end=self._name("F"), payer=self._payer()
        )


def payer_index(payer: int | None) -> bytes | None:
    """Stand for the blind index of a payer's account number."""
    return None if payer is None else hashlib.sha256(b"payer %d" % payer).digest()
