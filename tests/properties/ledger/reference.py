"""A reference ledger in plain Python: what the books must say, decided one item at a time, with no SQL.

Slow and obvious on purpose: it copies its whole state before an item and throws the copy away on refusal.
"""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass, field

from apps.ledger.domain import (
    CaptureDraft,
    Draft,
    HoldDraft,
    IncreaseDraft,
    JournalDraft,
    Posting,
    ReleaseDraft,
    ReversalDraft,
)
from apps.ledger.domain import ResultCode as Code

LIMIT = 2**62 - 1


class Refused(Exception):
    def __init__(self, code: Code) -> None:
        self.code = code


@dataclass
class Account:
    currency: str
    floor: int | None = None
    ceiling: int | None = None
    posted: int = 0
    held: int = 0
    version: int = 0
    frozen: bool = False
    closed: bool = False


@dataclass
class Hold:
    account: int
    counter: int
    currency: str
    amount: int
    expires_at: dt.datetime | None
    captured: int = 0
    released: int = 0

    @property
    def remaining(self) -> int:
        return self.amount - self.captured - self.released


@dataclass
class Books:
    accounts: dict[int, Account] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    journals: dict[int, tuple[Posting, ...]] = field(default_factory=dict)
    reversals: set[int] = field(default_factory=set)
    reversed: dict[tuple[int, int], int] = field(default_factory=dict)
    keys: dict[object, Draft] = field(default_factory=dict)
    closed_through: dt.date = dt.date.min


class ReferenceLedger:
    """The oracle. Journals are named by the numbers that the ledger under test gave them."""

    def __init__(self) -> None:
        self.books = Books()

    def expire(self, at: dt.datetime, touched: set[int], named: set[int]) -> None:
        for number, hold in self.books.holds.items():
            if (
                hold.account in touched
                and number not in named
                and hold.remaining
                and hold.expires_at
                and hold.expires_at <= at
            ):
                self.books.accounts[hold.account].held -= hold.remaining
                hold.released += hold.remaining

    def post(self, drafts: list[Draft], at: dt.datetime) -> list[Code]:
        """Decide a batch. Numbers of new journals follow by `number`, once they are known."""
        self.expire_touched(drafts, at)
        codes: list[Code] = []
        start = 0
        while start < len(drafts):
            end = start
            while drafts[end].linked and end + 1 < len(drafts):
                end += 1
            codes += self._group(drafts[start : end + 1], at)
            start = end + 1
        return codes

    def expire_touched(self, drafts: list[Draft], at: dt.datetime) -> None:
        touched: set[int] = set()
        named: set[int] = set()
        for draft in drafts:
            touched |= {c.account_id for c in draft.conditions}
            for posting in getattr(draft, "postings", ()):
                touched |= {posting.debit, posting.credit}
            if isinstance(draft, HoldDraft):
                touched |= {draft.account_id, draft.counter_id}
            if (number := getattr(draft, "hold_id", None)) is not None:
                named.add(number)
                if hold := self.books.holds.get(number):
                    touched |= {hold.account, hold.counter}
        before = copy.deepcopy(self.books)
        self.expire(at, touched, named)
        self._before_expiry = before

    def _group(self, group: list[Draft], at: dt.datetime) -> list[Code]:
        saved = copy.deepcopy(self.books)
        codes: list[Code] = []
        for draft in group:
            try:
                codes.append(self._one(draft, at))
            except Refused as refused:
                self.books = saved
                done = [Code.EXISTS if code is Code.EXISTS else Code.LINKED_FAILED for code in codes]
                rest = [Code.LINKED_FAILED] * (len(group) - len(codes) - 1)
                return [*done, refused.code, *rest]
        return codes

    def _one(self, draft: Draft, at: dt.datetime) -> Code:
        if (known := self.books.keys.get(draft.key)) is not None:
            if _content(known) == _content(draft):
                return Code.EXISTS
            raise Refused(Code.KEY_CONFLICT)
        for condition in draft.conditions:
            account = self.books.accounts[condition.account_id]
            available = account.posted - account.held
            if (
                (condition.version is not None and account.version != condition.version)
                or (condition.available_minor_min is not None and available < condition.available_minor_min)
                or (condition.available_minor_max is not None and available > condition.available_minor_max)
            ):
                raise Refused(Code.CONDITION_FAILED)
        match draft:
            case HoldDraft():
                self._hold(draft, at)
            case IncreaseDraft() | CaptureDraft() | ReleaseDraft():
                self._about_hold(draft, at)
            case ReversalDraft():
                self._reverse(draft)
            case JournalDraft():
                for posting in draft.postings:
                    self._move(posting, draft)
        self.books.keys[draft.key] = draft
        return Code.POSTED

    def _hold(self, draft: HoldDraft, at: dt.datetime) -> None:
        if draft.account_id == draft.counter_id:
            raise Refused(Code.SAME_ACCOUNT)
        account, counter = self.books.accounts[draft.account_id], self.books.accounts[draft.counter_id]
        if not account.currency == counter.currency == draft.amount.currency:
            raise Refused(Code.CURRENCY_MISMATCH)
        if counter.closed:
            raise Refused(Code.ACCOUNT_CLOSED)
        if draft.expires_at is not None and draft.expires_at <= at:
            raise Refused(Code.HOLD_EXPIRED)
        self._reserve(account, draft.amount.minor)
        self.books.holds[id(draft)] = Hold(
            draft.account_id, draft.counter_id, account.currency, draft.amount.minor, draft.expires_at
        )

    def _reserve(self, account: Account, minor: int) -> None:
        if minor <= 0:
            raise Refused(Code.BAD_AMOUNT)
        if minor + account.held > LIMIT:
            raise Refused(Code.AMOUNT_OUT_OF_RANGE)
        if account.closed:
            raise Refused(Code.ACCOUNT_CLOSED)
        if account.frozen:
            raise Refused(Code.ACCOUNT_FROZEN)
        if account.floor is not None and account.posted - account.held - minor < account.floor:
            raise Refused(Code.INSUFFICIENT_FUNDS)
        account.held += minor

    def _about_hold(self, draft: IncreaseDraft | CaptureDraft | ReleaseDraft, at: dt.datetime) -> None:
        hold = self.books.holds.get(draft.hold_id)
        if hold is None:
            raise Refused(Code.UNKNOWN_HOLD)
        if hold.remaining == 0:
            raise Refused(Code.HOLD_CLOSED)
        if isinstance(draft, IncreaseDraft) and draft.amount.currency != hold.currency:
            raise Refused(Code.CURRENCY_MISMATCH)
        expired = hold.expires_at is not None and hold.expires_at <= at
        account = self.books.accounts[hold.account]
        if isinstance(draft, ReleaseDraft):
            if draft.expired and not expired:
                raise Refused(Code.HOLD_NOT_EXPIRED)
            minor = hold.remaining if draft.expired or draft.amount_minor is None else draft.amount_minor
            if minor <= 0:
                raise Refused(Code.BAD_AMOUNT)
            if minor > hold.remaining:
                raise Refused(Code.HOLD_EXCEEDED)
            hold.released += minor
            account.held -= minor
            return
        if expired:
            raise Refused(Code.HOLD_EXPIRED)
        if isinstance(draft, IncreaseDraft):
            self._reserve(account, draft.amount.minor)
            hold.amount += draft.amount.minor
            return
        taken = 0
        for posting in draft.postings:
            if posting.amount.minor <= 0:
                raise Refused(Code.BAD_AMOUNT)
            if posting.amount.minor > hold.remaining - taken:
                raise Refused(Code.HOLD_EXCEEDED)
            taken += posting.amount.minor
        left = hold.remaining - taken if draft.final else 0
        hold.captured, hold.released = hold.captured + taken, hold.released + left
        account.held -= taken + left
        for posting in draft.postings:
            self._move(Posting(hold.account, posting.credit or hold.counter, posting.amount), draft)

    def _reverse(self, draft: ReversalDraft) -> None:
        original = self.books.journals.get(draft.reverses_seq)
        if original is None:
            raise Refused(Code.UNKNOWN_JOURNAL)
        if draft.reverses_seq in self.books.reversals:
            raise Refused(Code.NOT_REVERSIBLE)
        for posting in draft.postings:
            assert posting.reverses_line is not None
            place = (draft.reverses_seq, posting.reverses_line)
            left = original[posting.reverses_line - 1].amount.minor - self.books.reversed.get(place, 0)
            if posting.amount.minor > left:
                raise Refused(Code.REVERSAL_EXCEEDED)
            self._move(posting, draft)
            self.books.reversed[place] = self.books.reversed.get(place, 0) + posting.amount.minor

    def _move(self, posting: Posting, draft: Draft) -> None:
        minor = posting.amount.minor
        if minor <= 0:
            raise Refused(Code.BAD_AMOUNT)
        if minor > LIMIT:
            raise Refused(Code.AMOUNT_OUT_OF_RANGE)
        if posting.debit == posting.credit:
            raise Refused(Code.SAME_ACCOUNT)
        debit, credit = self.books.accounts.get(posting.debit), self.books.accounts.get(posting.credit)
        if debit is None or credit is None:
            raise Refused(Code.UNKNOWN_ACCOUNT)
        if not debit.currency == credit.currency == posting.amount.currency:
            raise Refused(Code.CURRENCY_MISMATCH)
        if debit.closed or credit.closed:
            raise Refused(Code.ACCOUNT_CLOSED)
        if debit.frozen or credit.frozen:
            raise Refused(Code.ACCOUNT_FROZEN)
        if draft.effective_date <= self.books.closed_through:
            raise Refused(Code.PERIOD_CLOSED)
        if debit.posted - minor < -LIMIT or credit.posted + minor > LIMIT:
            raise Refused(Code.AMOUNT_OUT_OF_RANGE)
        if debit.floor is not None and debit.posted - debit.held - minor < debit.floor:
            raise Refused(Code.INSUFFICIENT_FUNDS)
        if credit.ceiling is not None and credit.posted + minor > credit.ceiling:
            raise Refused(Code.CEILING_EXCEEDED)
        debit.posted, debit.version = debit.posted - minor, debit.version + 1
        credit.posted, credit.version = credit.posted + minor, credit.version + 1

    def number(self, draft: Draft, seq: int) -> None:
        """Give a journal that was posted its number."""
        if isinstance(draft, HoldDraft):
            self.books.holds[seq] = self.books.holds.pop(id(draft))
        if isinstance(draft, (JournalDraft, ReversalDraft)):
            self.books.journals[seq] = draft.postings
        if isinstance(draft, ReversalDraft):
            self.books.reversals.add(seq)

    def roll_back_expiry(self) -> None:
        """Take back the expiries of a batch that posted nothing: a refusal leaves every row as it was."""
        self.books = self._before_expiry


def _content(draft: Draft) -> tuple[object, ...]:
    names = [name for cls in type(draft).__mro__ for name in getattr(cls, "__slots__", ())]
    return tuple(
        getattr(draft, name) for name in names if name not in ("key", "at", "linked", "conditions", "actor")
    )
