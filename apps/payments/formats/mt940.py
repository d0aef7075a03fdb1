"""MT940 and MT942 through the `mt-940` package, behind an adapter with a dialect per bank.

The package reads the tags; the adapter splits the file, keeps line numbers, proves that no `:61:`
line was lost, and turns the result into the one statement model with exact amounts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import mt940
from mt940.options import Options

from apps.core.money import Money
from apps.payments.formats.amounts import read_amount
from apps.payments.formats.camt import sha256_of
from apps.payments.formats.epc import is_iban
from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError
from apps.payments.formats.mt940_blocks import Block, split_blocks
from apps.payments.formats.mt940_details import read_details
from apps.payments.formats.statements import (
    Balance,
    BankCode,
    References,
    Statement,
    StatementEntry,
    StatementFile,
    Summary,
    number_occurrences,
)
from apps.payments.formats.xml import Source, open_source, source_bytes

# The package logs the text of tags it cannot read: names and accounts. Our findings say what is wrong instead.
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)

FILE_BYTES_MAX = 64 * 1024 * 1024

_BALANCES = {
    "final_opening_balance": "OPBD",
    "intermediate_opening_balance": "OPBD",
    "opening_balance": "OPBD",
    "final_closing_balance": "CLBD",
    "intermediate_closing_balance": "CLBD",
    "closing_balance": "CLBD",
    "available_balance": "CLAV",
    "forward_available_balance": "FWAV",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one bank bends the format: tag readers of its own, and the encoding of its files."""

    name: str = "standard"
    encodings: tuple[str, ...] = ("utf-8", "windows-1252", "latin-1")
    tags: dict[int | str, Any] = field(default_factory=dict)


DIALECTS: dict[str, Dialect] = {
    "standard": Dialect(),
    "asn": Dialect("asn", tags={61: mt940.tags.StatementASNB()}),
    "gls": Dialect("gls", tags={61: mt940.tags.StatementGLS()}),
    "central_europe": Dialect("central_europe", encodings=("utf-8", "iso-8859-2")),
}


def read_mt940(source: Source, *, lenient: bool = False, dialect: str = "standard") -> StatementFile:
    """Read an MT940 or MT942 file, of one or many statements. Raises FormatError.

    Strictly, a statement without `:25:`, a lost `:61:` line or a balance without a currency refuses
    the file; leniently they become findings. Unknown tags are findings either way.
    """
    text = _decode(source, DIALECTS[dialect])
    findings: list[Finding] = []
    statements = [
        _statement(block, findings, DIALECTS[dialect], lenient=lenient) for block in split_blocks(text)
    ]
    if not statements:
        raise FormatError("no_statement", "The file holds no :20: tag, so no statement.", 1)
    name = "MT942" if all(statement.kind == "interim" for statement in statements) else "MT940"
    return StatementFile(
        name, statements[0].id, None, tuple(statements), sha256_of(source), tuple(findings[:FINDINGS_MAX])
    )


def _decode(source: Source, dialect: Dialect) -> str:
    size = source_bytes(source)
    if size > FILE_BYTES_MAX:
        raise FormatError("too_large", f"The file has {size} bytes; the limit is {FILE_BYTES_MAX}.")
    with open_source(source) as stream:
        data = stream.read()
    if b"\0" in data:
        raise FormatError(
            "nul_byte", "The file holds a NUL byte.", data[: data.index(b"\0")].count(b"\n") + 1
        )
    for encoding in dialect.encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    raise FormatError("encoding", "The file is in no encoding of the dialect.", 1)


def _statement(block: Block, findings: list[Finding], dialect: Dialect, *, lenient: bool) -> Statement:
    line = block.first_line
    findings += block.remarks()[: max(0, FINDINGS_MAX - len(findings))]
    parsed = _parse(block, dialect)
    data = parsed.data
    lines = block.entry_lines()
    doubts = block.doubts(
        lost=len(lines) - len(parsed), account=str(data.get("account_identification") or "")
    )
    if doubts and not lenient:
        raise FormatError.of(doubts)
    findings += [Finding(d.code, d.message, d.line, d.place, "warning") for d in doubts]
    currency = block.currency() or _stated_currency(data)
    account = str(data.get("account_identification") or "").strip()
    entries = [
        _entry(transaction, position, lines[position - 1] if position <= len(lines) else line, currency)
        for position, transaction in enumerate(parsed, start=1)
    ]
    balances = tuple(_balances(block, data, currency))
    interim = "final_closing_balance" not in data and "final_opening_balance" not in data
    moment = data.get("date")
    return Statement(
        id=_identity(data),
        kind="interim" if interim and not balances else "statement",
        account=account,
        iban=account if is_iban(account) else "",
        currency=currency,
        sequence=str(data.get("statement_number") or ""),
        page=_number(data.get("sequence_number")) or 1,
        last_page="intermediate_closing_balance" not in data,
        created_at=datetime.fromisoformat(moment.isoformat()) if isinstance(moment, datetime) else None,
        from_date=_first_date(balances, "OPBD"),
        to_date=_first_date(balances, "CLBD"),
        balances=balances,
        entries=number_occurrences(entries, account),
        summary=_summary(data),
        line=line,
    )


def _parse(block: Block, dialect: Dialect) -> Any:
    try:
        return mt940.parse(block.text, tags=dict(dialect.tags) or None, options=Options.all())
    except FormatError:
        raise
    except Exception as error:  # the package raises whatever a malformed tag leads it to
        message = f"A tag of the statement cannot be read ({type(error).__name__})."
        raise FormatError("mt_syntax", message, block.first_line) from None


def _identity(data: dict[str, Any]) -> str:
    """Name a statement by its number and reference; either alone is reused every year by some bank."""
    parts = (data.get("transaction_reference"), data.get("statement_number"), data.get("sequence_number"))
    return "/".join(str(part).strip() for part in parts if part)


def _number(written: object) -> int | None:
    text = str(written or "")
    return int(text) if text.isascii() and text.isdigit() else None


def exact(value: Decimal, currency: str, *, line: int | None, place: str) -> Money:
    """Turn the package's decimal into money, exactly. Raises FormatError."""
    money = read_amount(format(abs(value), "f"), currency, line=line, place=place)
    return -money if value < 0 else money


def _balances(block: Block, data: dict[str, Any], currency: str) -> Iterator[Balance]:
    for name, code in _BALANCES.items():
        balance = data.get(name)
        if balance is None or balance.amount is None or not str(balance.amount.currency or "").isalpha():
            continue
        amount = exact(balance.amount.amount, str(balance.amount.currency), line=block.first_line, place=name)
        yield Balance(code, amount, _day(balance.date))
    if currency:
        yield from block.balances_without_currency(currency)


def _stated_currency(data: dict[str, Any]) -> str:
    """Take the currency of an intraday statement from its floor limits and sums."""
    for name in ("d_floor_limit", "c_floor_limit", "sum_credit_entries", "sum_debit_entries"):
        if data.get(name) is not None:
            return str(data[name].currency)
    return ""


def _day(value: Any) -> date | None:
    return date(value.year, value.month, value.day) if value is not None else None


def _first_date(balances: tuple[Balance, ...], code: str) -> date | None:
    return next((balance.at_date for balance in balances if balance.code == code), None)


def _summary(data: dict[str, Any]) -> Summary:
    credit, debit = data.get("sum_credit_entries"), data.get("sum_debit_entries")
    return Summary(
        credits=_number(credit.number) if credit is not None else None,
        credit_sum=format(abs(credit.amount), "f") if credit is not None else "",
        debits=_number(debit.number) if debit is not None else None,
        debit_sum=format(abs(debit.amount), "f") if debit is not None else "",
    )


def _entry(transaction: Any, position: int, line: int, currency: str) -> StatementEntry:
    data = transaction.data
    amount = data.get("amount")
    if amount is None or not amount.currency:
        raise FormatError("amount_missing", "A :61: line has no amount or no currency.", line, ":61:")
    details = read_details(data)
    booked = _day(data.get("guessed_entry_date") or data.get("entry_date")) or _day(data.get("date"))
    reference = str(data.get("customer_reference") or "").strip()
    return StatementEntry(
        position=position,
        amount=exact(amount.amount, str(amount.currency), line=line, place=":61:"),
        status="BOOK",
        booking_date=booked,
        value_date=_day(data.get("date")),
        refs=References(
            end_to_end=details.end_to_end,
            instr="" if reference in ("NONREF", "KREF+", "EREF") else reference,
            mandate=details.mandate,
            acct_svcr=str(data.get("bank_reference") or "").strip().replace("NONREF", ""),
        ),
        bank_code=BankCode(proprietary=details.code or str(data.get("id") or "").strip()),
        reversal=str(data.get("status") or "").upper().startswith("R"),
        return_reason=details.return_reason,
        counterparty_name=details.name,
        counterparty_iban=details.account,
        remittance_unstructured=details.remittance,
        info=details.info,
        line=line,
    )
