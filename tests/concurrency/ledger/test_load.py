"""Seeded load from many connections at once: whatever happened, the books prove themselves afterwards."""

import datetime as dt
import random
import uuid
from typing import Any

import pytest

from apps.core import tenancy
from apps.core.db import retrying
from apps.core.money import Money
from apps.ledger import following
from apps.ledger import public as ledger

SEEDS = [11, 12]
DAY = dt.date(2026, 11, 2)


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


class Load:
    """One thread's share: Zipf accounts, a hot pair in both directions, batches, holds, reversals, repeats."""

    def __init__(self, organisation_id: uuid.UUID, accounts: list[int], seed: int) -> None:
        self.organisation_id, self.accounts, self.random = organisation_id, accounts, random.Random(seed)
        self.acknowledged: dict[int, ledger.Draft] = {}
        self.drafts: list[ledger.JournalDraft] = []

    def account(self) -> int:
        rank = min(int(self.random.paretovariate(0.9)) - 1, len(self.accounts) - 1)
        return self.accounts[rank]

    def draft(self, debit: int, credit: int, **changes: Any) -> ledger.JournalDraft:
        draft = ledger.JournalDraft(
            **(
                {
                    "key": uuid.UUID(int=self.random.getrandbits(128)),
                    "kind": "test.load",
                    "organisation_id": self.organisation_id,
                    "postings": (ledger.Posting(debit, credit, euros(self.random.randint(1, 50))),),
                    "effective_date": DAY,
                    "actor": "system:test",
                }
                | changes
            )
        )
        self.drafts.append(draft)
        return draft

    def step(self) -> None:
        kind = self.random.random()
        if kind < 0.35:
            self.send([self.draft(self.account(), self.account())])
        elif kind < 0.55:  # the hot pair, both ways at once: the order of locks keeps it from a deadlock
            pair = self.accounts[:2]
            self.random.shuffle(pair)
            self.send([self.draft(*pair), self.draft(*reversed(pair))])
        elif kind < 0.8:
            drafts = [
                self.draft(self.account(), self.account(), linked=self.random.random() < 0.3)
                for _ in range(self.random.randint(2, 20))
            ]
            drafts.append(self.random.choice(drafts))  # a duplicate in the batch
            self.send(drafts)
        elif kind < 0.9 and self.drafts:
            self.send([self.random.choice(self.drafts)])
        else:
            self.hold_and_capture()

    def send(self, drafts: list[ledger.Draft]) -> None:
        def work() -> list[ledger.Result]:
            with tenancy.scope(self.organisation_id):
                return ledger.post_many(drafts)

        for draft, result in zip(drafts, retrying(work), strict=True):
            if result.ok and result.seq:
                self.acknowledged[result.seq] = draft

    def hold_and_capture(self) -> None:
        common = {"organisation_id": self.organisation_id, "effective_date": DAY, "actor": "system:test"}
        with tenancy.scope(self.organisation_id):
            try:
                hold = ledger.place_hold(
                    key=uuid.uuid4(),
                    account_id=self.account(),
                    counter_id=self.accounts[-1],
                    amount=euros(20),
                    expires_at=None,
                    **common,
                )
                ledger.capture_hold(
                    key=uuid.uuid4(), hold_id=hold.id, amount=euros(self.random.randint(1, 25)), **common
                )
            except ledger.LedgerRefusal:
                return


@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_prove_themselves_after_a_seeded_load(
    db: None, in_threads: Any, seed: int, owner_sql: Any
) -> None:
    organisation_id = uuid.uuid4()
    with tenancy.scope(organisation_id):
        accounts = [
            ledger.open_account(
                organisation_id=organisation_id,
                code=f"a{n}",
                name="A",
                kind="liability",
                currency="EUR",
                floor_minor=-200 if n else None,
            ).id
            for n in range(12)
        ]
    loads = [Load(organisation_id, accounts, seed * 100 + n) for n in range(8)]

    def work(load: Load) -> None:
        for n in range(60):
            load.step()
            if n % 20 == 0:
                following.follow_once(at=dt.datetime(2026, 11, 2, tzinfo=dt.UTC))

    assert in_threads(work, loads) == [None] * 8

    acknowledged = {seq: draft for load in loads for seq, draft in load.acknowledged.items()}
    stored = dict(
        owner_sql(
            "SELECT seq, key FROM ledger.journal WHERE organisation_id = %s AND action = 1", [organisation_id]
        )
    )
    assert {seq: draft.key for seq, draft in acknowledged.items()} == stored
    report = ledger.check()
    assert report.ok, [proof for proof in report.proofs if proof.violations]


def test_the_last_cent_is_spent_once(db: None, in_threads: Any) -> None:
    organisation_id = uuid.uuid4()
    with tenancy.scope(organisation_id):
        source, purse, shop = (
            ledger.open_account(
                organisation_id=organisation_id,
                code=code,
                name=code,
                kind="liability",
                currency="EUR",
                floor_minor=floor,
            ).id
            for code, floor in (("source", None), ("purse", 0), ("shop", 0))
        )
    load = Load(organisation_id, [source, purse, shop], 5)
    load.send([load.draft(source, purse, postings=(ledger.Posting(source, purse, euros(1)),))])

    def work(_: int) -> str:
        with tenancy.scope(organisation_id):
            draft = ledger.JournalDraft(
                key=uuid.uuid4(),
                kind="test.spend",
                organisation_id=organisation_id,
                effective_date=DAY,
                actor="system:test",
                postings=(ledger.Posting(purse, shop, euros(1)),),
            )
            return ledger.post_many([draft])[0].code.name

    assert sorted(in_threads(work, range(40))) == ["INSUFFICIENT_FUNDS"] * 39 + ["POSTED"]
