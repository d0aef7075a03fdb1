"""Bulk orders out of files: a table of payouts (CSV) or a customer's pain.001, as one order or none.

A file that is wrong anywhere orders nothing; each wrong line is told with its column and the reason.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Invalid, Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments.commands.bulk import (
    PAYMENTS_MAX,
    BulkInvalid,
    BulkPayout,
    CreateBulkOrder,
    check_lines,
    made_an_order,
    order_currency,
    payer_of,
)
from apps.payments.commands.checks import check_account
from apps.payments.commands.payouts import Creditor
from apps.payments.formats import FormatError
from apps.payments.formats.pain001 import CreditTransfer, CreditTransferGroup
from apps.payments.formats.pain001_read import read_credit_transfer_lines
from apps.payments.inbound import DuplicateFile

FILE_BYTES_MAX = 20 * 1024 * 1024
CELL_CHARS_MAX = 1_000

NEEDED = ("amount", "currency", "name")
_ACCOUNT = ("iban", "country", "town", "routing_number", "account_number", "account_kind", "holder")
COLUMNS = (*NEEDED, *_ACCOUNT, "remittance", "reference")
_STANDARD = {"account_kind": "checking", "holder": "person"}
"""What an empty cell means; elsewhere it means nothing."""


@dataclass(slots=True)
class BulkFile:
    """What was read: payouts with the line that each is on, what is wrong, and what an order does not carry."""

    format: str
    payouts: list[BulkPayout] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    not_carried: set[str] = field(default_factory=set)

    def wrong(self, line: int, column: str, code: str, reason: str) -> None:
        """Note what is wrong with a line."""
        self.errors.append({"line": line, "column": column, "code": code, "reason": reason})


def import_bulk(
    data: bytes,
    *,
    account_id: UUID,
    actor: Actor,
    at: datetime,
    reference: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make one bulk order of a file, or tell what is wrong with it and make none.

    The answer's `errors` name line, column and reason; `order` is the order's JSON, None where none was
    made. With `dry_run` everything is checked but the balance and stopped payees. Raises NotFound,
    DuplicateFile, FormatError for what is no such file, and the refusals of `CreateBulkOrder`.
    """
    digest = hashlib.sha256(data).hexdigest()
    with tenancy.scope(tenancy.PLATFORM):
        account = accounts.payment_account(account_id)
    organisation_id = account.organisation_id
    with tenancy.scope(organisation_id):
        if made_an_order(digest):
            raise DuplicateFile(sha256=digest)
        file = read_file(data, account_iban=account.iban, today=at.date())
        if file.payouts:
            _check(file, account)
    order = None
    if not file.errors and not dry_run:
        command = CreateBulkOrder(organisation_id, account_id, tuple(file.payouts), reference, digest)
        try:
            order = execute(command, actor=actor, key=None, at=at).answer
        except BulkInvalid as refusal:
            file.errors += [_located(error, file.lines) for error in refusal.facts["errors"]]
    return _told(file, digest, account_id, order)


def _check(file: BulkFile, account: accounts.PaymentAccount) -> None:
    """Add to the file's errors what the order would be refused for. Raises the account's refusals."""
    try:
        currency = order_currency(file.payouts)
    except Invalid as refusal:
        file.wrong(file.lines[0], "currency", refusal.code, str(refusal.facts["reason"]))
        return
    check_account(account, account.organisation_id, account.id, currency)
    _, wrong = check_lines(file.payouts, payer=payer_of(account.id))
    file.errors += [_located(error, file.lines) for error in wrong]


def _located(error: dict[str, Any], lines: list[int]) -> dict[str, Any]:
    """Say of a payment's error where in the file it is."""
    column = str(error.get("field", "")).removeprefix("creditor.").removeprefix("amount.")
    if error["code"] == "bad_iban":
        column = "iban"
    elif error["code"] == "amount_out_of_range":
        column = "amount"
    reason = error.get("reason") or f"one of: {', '.join(error.get('allowed', []))}"
    return {
        "line": lines[error["line"] - 1],
        "column": column,
        "code": error["code"],
        "reason": str(reason),
    }


def _told(file: BulkFile, digest: str, account_id: UUID, order: dict[str, Any] | None) -> dict[str, Any]:
    totals: dict[str, int] = {}
    for payout in file.payouts:
        totals[payout.amount.currency] = totals.get(payout.amount.currency, 0) + payout.amount.minor
    return {
        "format": file.format,
        "sha256": digest,
        "account_id": public_id("acc", account_id),
        "payments": len(file.payouts),
        "totals": {code: Money(minor, code).decimal_text() for code, minor in sorted(totals.items())},
        "not_carried": sorted(file.not_carried),
        "errors": sorted(file.errors, key=lambda error: (error["line"], error["column"])),
        "order": order,
    }


def read_file(data: bytes, *, account_iban: str, today: date) -> BulkFile:
    """Read a table or a pain.001, told apart by content. Raises FormatError for what is neither."""
    if len(data) > FILE_BYTES_MAX:
        raise FormatError("too_large", f"A file has at most {FILE_BYTES_MAX} bytes.")
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return _read_pain001(data, account_iban, today)
    return _read_table(data)


def _read_table(data: bytes) -> BulkFile:
    file = BulkFile("csv")
    rows = _rows(_text(data))
    header_line, header = next(rows, (1, []))
    columns = _columns(header, header_line)
    for line, cells in rows:
        if not cells:
            continue
        if len(file.lines) + len(file.errors) >= PAYMENTS_MAX:
            raise FormatError("too_many_payments", f"An order has at most {PAYMENTS_MAX} payments.", line)
        if len(cells) != len(columns):
            file.wrong(line, "", "cells", f"{len(cells)} cells under {len(columns)} columns")
            continue
        _read_row(file, line, dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
    if not file.payouts and not file.errors:
        raise FormatError("empty", "The file holds no payment.", header_line)
    return file


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError("encoding", "The file is not UTF-8.", line) from None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line that it begins on. Raises FormatError for broken quotes and huge cells."""
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise FormatError("csv", f"This is no row of a table: {error}.", begins) from None


def _columns(header: list[str], line: int) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise FormatError("header", f"The header lacks {', '.join(missing)}.", line)
    if "iban" not in columns and not {"routing_number", "account_number"} <= set(columns):
        raise FormatError(
            "header", "The header names neither iban nor routing_number and account_number.", line
        )
    for place, name in enumerate(columns, 1):
        if name not in COLUMNS:
            raise FormatError("header", f"Column {place} is none of: {', '.join(COLUMNS)}.", line)
    if len(set(columns)) != len(columns):
        raise FormatError("header", "The header names a column twice.", line)
    return columns


def _read_row(file: BulkFile, line: int, row: dict[str, str]) -> None:
    long = [name for name, cell in row.items() if len(cell) > CELL_CHARS_MAX]
    if long:
        file.wrong(line, long[0], "too_long", f"more than {CELL_CHARS_MAX} characters")
        return
    try:
        amount = Money.parse(row["amount"], row["currency"].upper())
    except Refusal as refusal:
        column = "currency" if refusal.code == "unknown_currency" else "amount"
        file.wrong(line, column, refusal.code, refusal.title)
        return
    account = {name: row.get(name, "") or _STANDARD.get(name, "") for name in _ACCOUNT}
    creditor = Creditor(row["name"], **account)
    file.payouts.append(BulkPayout(amount, creditor, row.get("remittance", ""), row.get("reference", "")))
    file.lines.append(line)


def _read_pain001(data: bytes, account_iban: str, today: date) -> BulkFile:
    file = BulkFile("pain.001")
    batch, lines = read_credit_transfer_lines(data)
    if len(lines) > PAYMENTS_MAX:
        raise FormatError("too_many_payments", f"An order has at most {PAYMENTS_MAX} payments.")
    numbers = iter(lines)
    for group in batch.groups:
        own = [(next(numbers), transfer) for transfer in group.transfers]
        _check_group(file, group, own[0][0] if own else 1, account_iban, today)
        for line, transfer in own:
            _read_transfer(file, line, transfer)
    return file


def _check_group(
    file: BulkFile, group: CreditTransferGroup, line: int, account_iban: str, today: date
) -> None:
    """Note what a group asks for that a bulk order does not do; the line is its first payment's."""
    if group.debtor_iban.replace(" ", "").upper() != account_iban:
        file.wrong(line, "DbtrAcct", "another_account", "the file pays from another account")
    if group.execution_date > today:
        file.wrong(line, "ReqdExctnDt", "later_day", "a bulk order is executed as soon as it can be")
    if group.instant:
        file.wrong(line, "LclInstrm", "instant", "a bulk order is not paid by instant transfers")
    if group.category_purpose:
        file.not_carried.add("CtgyPurp")


def _read_transfer(file: BulkFile, line: int, transfer: CreditTransfer) -> None:
    for column, value in (
        ("UltmtDbtr", transfer.ultimate_debtor_name),
        ("UltmtCdtr", transfer.ultimate_creditor_name),
    ):
        if value:
            file.wrong(
                line, column, "not_carried", "a bulk order pays for its account's holder, to the payee"
            )
    told = {"Purp": transfer.purpose, "UETR": transfer.uetr, "InstrId": transfer.instruction_id}
    file.not_carried |= {name for name, value in told.items() if value}
    address = transfer.creditor_address
    reference = "" if transfer.end_to_end_id == "NOTPROVIDED" else transfer.end_to_end_id
    file.payouts.append(
        BulkPayout(
            transfer.amount,
            Creditor(
                transfer.creditor_name,
                transfer.creditor_iban,
                country=address.country if address else "",
                town=address.town if address else "",
            ),
            transfer.creditor_reference or transfer.remittance,
            reference,
        )
    )
    file.lines.append(line)
