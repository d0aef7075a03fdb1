"""What is posted, as values: drafts of journals and of what happens to holds.

A draft checks its own shape when it is made (lengths, metadata, that it has postings at all). What
depends on the books (funds, limits, closed periods) is decided by the posting function under its
locks, and comes back as a result code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from apps.core.errors import Invalid
from apps.core.money import Money

KIND_LENGTH_MAX = 80
ACTOR_LENGTH_MAX = 200
REFERENCE_LENGTH_MAX = 200
METADATA_BYTES_MAX = 16_384
BATCH_ITEMS_MAX = 5_000
BATCH_LINES_MAX = 20_000
MONEY_MINOR_MAX = 2**62 - 1
"""The ledger's range of amounts and balances: one bit less than a bigint, so that sums cannot wrap."""


class AccountKind(StrEnum):
    """The five kinds of accounts; the normal side says which entries make a balance grow."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def normal_side(self) -> str:
        """Return `debit` for assets and expenses, `credit` for the others."""
        return "debit" if self in (AccountKind.ASSET, AccountKind.EXPENSE) else "credit"


class Action(IntEnum):
    """What a journal does; the number is stored."""

    POST = 1
    HOLD = 2
    INCREASE = 3
    CAPTURE = 4
    RELEASE = 5
    EXPIRE = 6
    REVERSE = 7


@dataclass(frozen=True, slots=True)
class Posting:
    """One two-sided row: `amount` is taken from the debit account and given to the credit account.

    In a capture either account may be left out: the hold's own accounts stand in.
    """

    debit: int | None
    credit: int | None
    amount: Money
    reverses_line: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of an account at the moment of posting, or nothing of the journal happens.

    `version` is the account's exact version; the other two bound what is available, in minor units.
    """

    account_id: int
    version: int | None = None
    available_minor_min: int | None = None
    available_minor_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What every item of a batch says. `linked` ties it to the next item: both or neither.

    `at` is the command's moment, which decides what has expired; left out, it is the database's clock.
    Raises Invalid for a text that is too long or empty.
    """

    key: UUID
    organisation_id: UUID
    kind: str
    effective_date: date
    actor: str
    reference: str = ""
    metadata: dict[str, Any] | None = None
    at: datetime | None = None
    linked: bool = False
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _check_text("kind", self.kind, KIND_LENGTH_MAX, required=True)
        _check_text("actor", self.actor, ACTOR_LENGTH_MAX, required=True)
        _check_text("reference", self.reference, REFERENCE_LENGTH_MAX, required=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalDraft(Draft):
    """A journal: one atomic set of postings. `rate` is stored with a journal that exchanges currencies."""

    postings: tuple[Posting, ...]
    rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDraft(Draft):
    """Reserve an amount on an account, to be captured to the counter account later, if it is."""

    kind: str = "ledger.hold"
    account_id: int
    counter_id: int
    amount: Money
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncreaseDraft(Draft):
    """Reserve more under a hold; a new expiry replaces the old one."""

    kind: str = "ledger.hold_increased"
    hold_id: int
    amount: Money
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDraft(Draft):
    """Post what a hold reserved, in whole or in part; `final` releases what is left over."""

    kind: str = "ledger.capture"
    hold_id: int
    postings: tuple[Posting, ...]
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDraft(Draft):
    """Give a reserved amount free: some of it, or all that is left. `expired` says why."""

    kind: str = "ledger.hold_released"
    hold_id: int
    amount_minor: int | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalDraft(Draft):
    """Undo lines of a journal: each posting has the accounts of its original the other way round."""

    kind: str = "ledger.reversal"
    reverses_seq: int
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item: a code, the journal's number if there is one, and the deciding numbers."""

    code: ResultCode
    seq: int | None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether the journal stands in the books, made now or by an earlier call."""
        return self.code <= ResultCode.EXISTS


class ResultCode(IntEnum):
    """What the posting function says of an item. 0 and 1 are successes."""

    POSTED = 0
    EXISTS = 1
    KEY_CONFLICT = 2
    KEY_ARCHIVED = 3
    LINKED_FAILED = 4
    BATCH_TOO_LARGE = 5
    NOT_ALLOWED = 6
    BAD_JOURNAL = 7
    METADATA_TOO_LARGE = 8
    BAD_AMOUNT = 9
    AMOUNT_OUT_OF_RANGE = 10
    SAME_ACCOUNT = 11
    UNKNOWN_ACCOUNT = 12
    ACCOUNT_CLOSED = 13
    ACCOUNT_FROZEN = 14
    CURRENCY_MISMATCH = 15
    PERIOD_CLOSED = 16
    INSUFFICIENT_FUNDS = 17
    CEILING_EXCEEDED = 18
    CONDITION_FAILED = 19
    UNKNOWN_HOLD = 20
    HOLD_CLOSED = 21
    HOLD_EXPIRED = 22
    HOLD_EXCEEDED = 23
    HOLD_NOT_EXPIRED = 24
    UNKNOWN_JOURNAL = 25
    REVERSAL_EXCEEDED = 26
    NOT_REVERSIBLE = 27


def metadata_text(metadata: dict[str, Any] | None) -> str | None:
    """Write metadata as JSON. Raises Invalid for what JSON or the database cannot say."""
    if metadata is None:
        return None
    try:
        text = json.dumps(metadata, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise Invalid(field="metadata", reason="not JSON") from None
    if "\\u0000" in text:
        raise Invalid(field="metadata", reason="NUL character")
    return text


def _check_text(name: str, text: str, length_max: int, *, required: bool) -> None:
    if not isinstance(text, str) or len(text) > length_max or (required and not text):
        raise Invalid(field=name, length_max=length_max)
    # A lone surrogate cannot be stored, and neither can NUL.
    if "\x00" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise Invalid(field=name, reason="not storable text")
