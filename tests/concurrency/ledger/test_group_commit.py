"""Grouped journals: each caller gets its own result, refusals included, when it is durable."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.ledger.group_commit import GroupCommit

DAY = dt.date(2026, 11, 2)


@pytest.fixture
def purse(db: None) -> tuple[uuid.UUID, int, int]:
    organisation_id = uuid.uuid4()
    with tenancy.scope(organisation_id):
        source, target = (
            ledger.open_account(
                organisation_id=organisation_id,
                code=code,
                name=code,
                kind="liability",
                currency="EUR",
                floor_minor=floor,
            ).id
            for code, floor in (("source", -100), ("target", 0))
        )
    return organisation_id, source, target


def draft(purse: tuple[uuid.UUID, int, int], minor: int = 1, **changes: Any) -> ledger.JournalDraft:
    organisation_id, source, target = purse
    return ledger.JournalDraft(
        **(
            {
                "key": uuid.uuid4(),
                "kind": "test.group",
                "organisation_id": organisation_id,
                "effective_date": DAY,
                "actor": "system:test",
                "postings": (ledger.Posting(source, target, Money(minor, "EUR")),),
            }
            | changes
        )
    )


def test_callers_at_once_get_their_own_results(purse: Any, in_threads: Any) -> None:
    group = GroupCommit()

    def work(_: int) -> int:
        return group.post(draft(purse, 10), organisation_id=purse[0])

    results = in_threads(work, range(40))

    numbers = [result for result in results if isinstance(result, int)]
    refusals = [result for result in results if isinstance(result, ledger.InsufficientFunds)]
    assert (len(set(numbers)), len(refusals)) == (10, 30)
    with tenancy.scope(purse[0]):
        assert ledger.balance(purse[1]).posted == -100


def test_the_same_journal_twice_is_one(purse: Any, in_threads: Any) -> None:
    group, one = GroupCommit(), draft(purse)

    assert len(set(in_threads(lambda _: group.post(one, organisation_id=purse[0]), range(8)))) == 1


def test_it_refuses_another_organisations_journal_and_an_open_transaction(purse: Any) -> None:
    group = GroupCommit()
    with pytest.raises(ledger.LedgerRefusal):
        group.post(draft(purse), organisation_id=uuid.uuid4())
    with transaction.atomic(), pytest.raises(RuntimeError):
        group.post(draft(purse), organisation_id=purse[0])


def test_it_goes_on_after_its_thread_has_ended(purse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr("apps.ledger.group_commit.IDLE_S", 0.05)
    group = GroupCommit()
    group.post(draft(purse), organisation_id=purse[0])
    time.sleep(0.3)

    assert group.post(draft(purse), organisation_id=purse[0]) > 0
