"""Posting on a real database: result codes with numbers, batches, links, conditions, keys."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from apps.core import tenancy
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.ledger.public import ResultCode

from .conftest import DAY, Book


def codes(results: list[ledger.Result]) -> list[str]:
    return [result.code.name for result in results]


def outcome(book: Book, *drafts: ledger.Draft) -> list[str]:
    with book.scope():
        return codes(ledger.post_many(drafts))


class TestPost:
    def test_it_moves_the_amount_and_counts_versions(self, funded: Book) -> None:
        funded.post(("alice", "bob", 300), ("bob", "cash", 100))

        assert (funded.balance("alice").posted, funded.balance("alice").version) == (700, 2)
        assert (funded.balance("bob").posted, funded.balance("bob").version) == (200, 2)
        assert funded.balance("cash").posted == -900

    def test_it_refuses_an_overdraft_with_the_numbers(self, funded: Book) -> None:
        with pytest.raises(ledger.InsufficientFunds) as refused:
            funded.post(("alice", "bob", 1001))

        facts = refused.value.facts
        assert (facts["available"], facts["floor"], facts["held"], facts["version"]) == (1000, 0, 0, 1)
        assert funded.balance("alice").version == 1

    def test_it_keeps_the_numbers_of_a_shared_account_from_others(self, book: Book) -> None:
        with tenancy.scope(book.operator_id):
            ledger.set_limits(
                account_id=book["cash"], floor_minor=-10, ceiling_minor=None, actor="system:test"
            )

        with pytest.raises(ledger.InsufficientFunds) as refused:
            book.post(("cash", "alice", 11))

        assert refused.value.facts == {"account": book["cash"]}

    def test_it_lets_a_credit_limit_be_used_up_and_no_more(self, book: Book) -> None:
        book.open("credit", floor_minor=-500)

        book.post(("credit", "bob", 500))

        with pytest.raises(ledger.InsufficientFunds):
            book.post(("credit", "bob", 1))

    def test_it_refuses_to_exceed_a_ceiling(self, funded: Book) -> None:
        funded.open("capped", ceiling_minor=100)

        with pytest.raises(ledger.CeilingExceeded) as refused:
            funded.post(("alice", "capped", 101))

        assert refused.value.facts["ceiling"] == 100

    def test_it_stores_the_rate_and_metadata(self, funded: Book) -> None:
        posted = funded.post(
            ("cash", "bob", 1), rate=Decimal("1.0845"), metadata={"quote": 'a "b" \\ {c}', "n": None}
        )

        with funded.scope():
            stored = ledger.journal(posted.seq)
        assert stored.rate == "1.0845"
        assert stored.metadata == {"quote": 'a "b" \\ {c}', "n": None}


class TestBadInput:
    @pytest.mark.parametrize(
        ("moves", "code"),
        [
            ((("alice", "alice", 1),), "SAME_ACCOUNT"),
            ((("alice", "bob", 0),), "BAD_AMOUNT"),
            ((("alice", "bob", -5),), "BAD_AMOUNT"),
            ((("alice", "bob", 2**62),), "AMOUNT_OUT_OF_RANGE"),
            ((("alice", "bob", 2**63 - 1),), "AMOUNT_OUT_OF_RANGE"),
            ((("alice", "dollars", 1),), "CURRENCY_MISMATCH"),
            ((("alice", "private", 1),), "UNKNOWN_ACCOUNT"),
            ((), "BAD_JOURNAL"),
        ],
    )
    def test_it_is_a_code_and_the_rest_of_the_batch_stands(
        self, funded: Book, moves: tuple, code: str
    ) -> None:
        assert outcome(
            funded, funded.draft(("alice", "bob", 1)), funded.draft(*moves), funded.draft(("alice", "bob", 2))
        ) == [
            "POSTED",
            code,
            "POSTED",
        ]
        assert funded.balance("bob").posted == 3

    def test_it_refuses_unknown_and_impossible_account_numbers(self, funded: Book) -> None:
        for number in (2**62, 2**70, 0, -1):
            posting = ledger.Posting(debit=funded["alice"], credit=number, amount=Money(1, "EUR"))
            assert outcome(funded, funded.draft(postings=(posting,))) == ["UNKNOWN_ACCOUNT"]

    def test_it_refuses_sums_beyond_the_range(self, book: Book) -> None:
        largest = 2**62 - 1
        book.open("vast", floor_minor=None)

        assert outcome(book, book.draft(("vast", "bob", largest)), book.draft(("vast", "bob", 1))) == [
            "POSTED",
            "AMOUNT_OUT_OF_RANGE",
        ]

    def test_it_refuses_closed_and_frozen_accounts(self, funded: Book) -> None:
        with funded.scope():
            ledger.close_account(account_id=funded["bob"], actor="system:test")
            ledger.freeze_account(account_id=funded["alice"], actor="system:test")
        funded.open("carol")

        assert outcome(funded, funded.draft(("alice", "carol", 1)), funded.draft(("cash", "bob", 1))) == [
            "ACCOUNT_FROZEN",
            "ACCOUNT_CLOSED",
        ]
        with funded.scope():
            ledger.unfreeze_account(account_id=funded["alice"], actor="system:test")
        assert outcome(funded, funded.draft(("alice", "carol", 1))) == ["POSTED"]

    def test_it_refuses_metadata_over_16_kb(self, funded: Book) -> None:
        assert outcome(funded, funded.draft(("alice", "bob", 1), metadata={"x": "y" * 16_400})) == [
            "METADATA_TOO_LARGE"
        ]

    def test_it_refuses_a_batch_over_the_limit_without_writing(self, funded: Book) -> None:
        with funded.scope():
            results = ledger.post_many([funded.draft(("alice", "bob", 1)) for _ in range(10_000)])

        assert set(codes(results)) == {"BATCH_TOO_LARGE"}
        assert funded.balance("alice").version == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": ""},
            {"kind": "k" * 81},
            {"actor": ""},
            {"reference": "r" * 201},
            {"reference": "\x00"},
            {"kind": "\ud800"},
        ],
    )
    def test_it_refuses_text_that_cannot_be_stored(self, funded: Book, changes: dict) -> None:
        with pytest.raises(Invalid):
            funded.draft(("alice", "bob", 1), **changes)

    @pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": {1, 2}}, {"x": "\x00"}, {"x": "\ud800"}])
    def test_it_refuses_metadata_that_is_not_json(self, funded: Book, metadata: dict) -> None:
        with pytest.raises(Invalid):
            outcome(funded, funded.draft(("alice", "bob", 1), metadata=metadata))


class TestScope:
    def test_it_refuses_a_journal_of_another_organisation(self, funded: Book) -> None:
        assert outcome(funded, funded.draft(("alice", "bob", 1), organisation_id=uuid.uuid4())) == [
            "NOT_ALLOWED"
        ]

    def test_it_refuses_without_a_scope(self, funded: Book) -> None:
        results = ledger.post_many([funded.draft(("alice", "bob", 1))])

        assert codes(results) == ["NOT_ALLOWED"]

    def test_it_refuses_another_organisations_account(self, funded: Book) -> None:
        stranger = uuid.uuid4()
        with tenancy.scope(stranger):
            results = ledger.post_many([funded.draft(("alice", "bob", 1), organisation_id=stranger)])

        assert codes(results) == ["UNKNOWN_ACCOUNT"]
        assert funded.balance("alice").posted == 1000


class TestKeys:
    def test_the_same_key_and_content_is_the_first_journal(self, funded: Book) -> None:
        draft = funded.draft(("alice", "bob", 1000), metadata={"a": 1})
        with funded.scope():
            first, again = ledger.post(draft), ledger.post(draft)

        assert (again.seq, again.replayed, first.replayed) == (first.seq, True, False)
        assert funded.balance("alice").posted == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "test.other"},
            {"reference": "x"},
            {"effective_date": DAY + dt.timedelta(days=1)},
            {"metadata": {}},
        ],
    )
    def test_the_same_key_with_other_content_is_a_conflict(self, funded: Book, changes: dict) -> None:
        key = uuid.uuid4()
        funded.post(("alice", "bob", 5), key=key)

        assert outcome(funded, funded.draft(("alice", "bob", 5), key=key, **changes)) == ["KEY_CONFLICT"]
        assert outcome(funded, funded.draft(("alice", "bob", 6), key=key)) == ["KEY_CONFLICT"]
        assert outcome(funded, funded.draft(("alice", "bob", 5), ("alice", "bob", 1), key=key)) == [
            "KEY_CONFLICT"
        ]

    def test_duplicates_in_one_batch_are_results(self, funded: Book) -> None:
        draft = funded.draft(("alice", "bob", 5))

        assert outcome(funded, draft, draft, funded.draft(("alice", "bob", 6), key=draft.key), draft) == [
            "POSTED",
            "EXISTS",
            "KEY_CONFLICT",
            "EXISTS",
        ]
        assert funded.balance("bob").posted == 5

    def test_a_refused_key_can_be_used_again(self, book: Book) -> None:
        draft = book.draft(("alice", "bob", 5))
        assert outcome(book, draft) == ["INSUFFICIENT_FUNDS"]

        book.post(("cash", "alice", 5))

        assert outcome(book, draft) == ["POSTED"]

    def test_a_duplicate_race_posts_once(self, funded: Book, in_threads) -> None:
        draft = funded.draft(("alice", "bob", 5))

        def work(_: int) -> tuple[int, bool]:
            with funded.scope():
                posted = ledger.post(draft)
                return posted.seq, posted.replayed

        results = in_threads(work, range(8))

        assert len({seq for seq, _ in results}) == 1
        assert [replayed for _, replayed in results].count(False) == 1


class TestLinks:
    def test_a_group_fails_as_a_whole_at_its_last_item(self, funded: Book) -> None:
        drafts = (
            funded.draft(("alice", "bob", 10), linked=True),
            funded.draft(("bob", "cash", 10), linked=True),
            funded.draft(("alice", "bob", 5000)),
            funded.draft(("alice", "bob", 7)),
        )

        assert outcome(funded, *drafts) == ["LINKED_FAILED", "LINKED_FAILED", "INSUFFICIENT_FUNDS", "POSTED"]
        assert (funded.balance("alice").posted, funded.balance("alice").version) == (993, 2)

    def test_items_after_a_failure_in_the_group_fail_too(self, funded: Book) -> None:
        drafts = (
            funded.draft(("alice", "bob", 5000), linked=True),
            funded.draft(("alice", "bob", 1), linked=True),
            funded.draft(("alice", "bob", 2)),
        )

        assert outcome(funded, *drafts) == ["INSUFFICIENT_FUNDS", "LINKED_FAILED", "LINKED_FAILED"]

    def test_a_later_item_spends_what_an_earlier_one_brought(self, book: Book) -> None:
        assert outcome(
            book, book.draft(("cash", "alice", 10), linked=True), book.draft(("alice", "bob", 10))
        ) == [
            "POSTED",
            "POSTED",
        ]

    def test_a_group_can_be_repeated(self, funded: Book) -> None:
        drafts = (funded.draft(("alice", "bob", 10), linked=True), funded.draft(("alice", "bob", 20)))

        assert outcome(funded, *drafts) == ["POSTED", "POSTED"]
        assert outcome(funded, *drafts) == ["EXISTS", "EXISTS"]


class TestConditions:
    def test_it_posts_only_at_the_version_and_balance_named(self, funded: Book) -> None:
        def with_condition(**values: int) -> str:
            condition = ledger.Condition(funded["alice"], **values)
            return outcome(funded, funded.draft(("alice", "bob", 1), conditions=(condition,)))[0]

        assert with_condition(version=7) == "CONDITION_FAILED"
        assert with_condition(available_minor_min=1001) == "CONDITION_FAILED"
        assert with_condition(available_minor_max=999) == "CONDITION_FAILED"
        assert with_condition(version=1, available_minor_min=1000, available_minor_max=1000) == "POSTED"

    def test_a_condition_on_an_account_outside_the_organisation_is_refused(self, funded: Book) -> None:
        condition = ledger.Condition(funded["private"], version=0)

        assert outcome(funded, funded.draft(("alice", "bob", 1), conditions=(condition,))) == [
            "UNKNOWN_ACCOUNT"
        ]


class TestPeriods:
    def test_nothing_is_posted_into_a_closed_period(self, funded: Book) -> None:
        with funded.scope():
            assert (
                ledger.close_period(organisation_id=funded.organisation_id, through=DAY, actor="system:test")
                == DAY
            )

        with pytest.raises(ledger.PeriodClosed) as refused:
            funded.post(("alice", "bob", 1))
        funded.post(("alice", "bob", 1), effective_date=DAY + dt.timedelta(days=1))

        assert refused.value.facts["closed_through"] == DAY.isoformat()

    def test_an_account_opened_later_has_the_same_closed_period(self, book: Book) -> None:
        with book.scope():
            ledger.close_period(organisation_id=book.organisation_id, through=DAY, actor="system:test")
        book.open("late")

        assert outcome(book, book.draft(("cash", "late", 1))) == ["PERIOD_CLOSED"]

    def test_a_period_does_not_open_again(self, book: Book) -> None:
        with book.scope():
            ledger.close_period(organisation_id=book.organisation_id, through=DAY, actor="system:test")
            earlier = ledger.close_period(
                organisation_id=book.organisation_id, through=DAY - dt.timedelta(days=9), actor="system:test"
            )

        assert earlier == DAY


class TestResultCodes:
    def test_python_and_sql_name_them_alike(self, book: Book, owner_sql) -> None:
        for code in ResultCode:
            assert owner_sql("SELECT ledger.code_name(%s::smallint)", [int(code)])[0][0] == code.name.lower()
