"""MT940 and MT942 through the `mt-940` package, behind an adapter with a dialect per bank.

The package reads the tags; the adapter splits the file, keeps line numbers, proves that no `:61:`
line was lost, and turns the result into the one statement model with exact amounts.
"""

from __future__ import annotations

import logging
import re
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
BLOCK_CHARS_MAX = 8 * 1024 * 1024

_BLOCK = re.compile(r"^:20:", re.MULTILINE)
_ENTRY = re.compile(r"^:61:", re.MULTILINE)
_TAG = re.compile(r"^:(\d{2}[A-Z]?|NS):", re.MULTILINE)
_KNOWN_TAGS = frozenset(
    [
        "12",
        "13",
        "13D",
        "20",
        "21",
        "25",
        "25P",
        "28",
        "28C",
        "34F",
        "60F",
        "60M",
        "61",
        "62F",
        "62M",
        "64",
        "65",
        "86",
        "90C",
        "90D",
        "NS",
    ]
)
_ENVELOPE = re.compile(r"\{[1235]:[^{}]*\}|\{4:|^-\}.*$", re.MULTILINE)
# The package reads a balance without a currency wrongly (105000,00 as "0,00 105"), so these are told apart.
_BALANCE = re.compile(
    r"^:(?P<tag>6[0245])[FM]?:(?P<sign>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})?(?P<amount>[\d,]+)",
    re.MULTILINE,
)
_VALUE_DATE = re.compile(r"^:61:(\d{2})(\d{2})(\d{2})", re.MULTILINE)
_BALANCE_TAGS = {"60": "OPBD", "62": "CLBD", "64": "CLAV", "65": "FWAV"}

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
        _statement(block, line, findings, DIALECTS[dialect], lenient=lenient) for line, block in _blocks(text)
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


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Split the file at `:20:` and yield each statement with its first line number."""
    plain = _ENVELOPE.sub("", text)
    starts = [match.start() for match in _BLOCK.finditer(plain)]
    ends = [*starts[1:], len(plain)][: len(starts)]
    for start, end in zip(starts, ends, strict=True):
        if end - start > BLOCK_CHARS_MAX:
            raise FormatError(
                "too_large", "A statement is longer than the limit.", plain.count("\n", 0, start) + 1
            )
        yield plain.count("\n", 0, start) + 1, plain[start:end]


def _statement(
    block: str, line: int, findings: list[Finding], dialect: Dialect, *, lenient: bool
) -> Statement:
    _note_unknown_tags(block, line, findings)
    parsed = _parse(block, line, dialect)
    data = parsed.data
    lines = [line + block.count("\n", 0, match.start()) for match in _ENTRY.finditer(block)]
    _note_clamped_dates(block, line, findings)
    doubts = _doubts(block, line, data, len(lines) - len(parsed))
    if doubts and not lenient:
        raise FormatError.of(doubts)
    findings += [Finding(d.code, d.message, d.line, d.place, "warning") for d in doubts]
    currency = _currency(block, data)
    account = str(data.get("account_identification") or "").strip()
    entries = [
        _entry(transaction, position, lines[position - 1] if position <= len(lines) else line, currency)
        for position, transaction in enumerate(parsed, start=1)
    ]
    balances = tuple(_balances(block, data, currency, line))
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


def _parse(block: str, line: int, dialect: Dialect) -> Any:
    try:
        return mt940.parse(block, tags=dict(dialect.tags) or None, options=Options.all())
    except FormatError:
        raise
    except Exception as error:  # the package raises whatever a malformed tag leads it to
        message = f"A tag of the statement cannot be read ({type(error).__name__})."
        raise FormatError("mt_syntax", message, line) from None


def _doubts(block: str, line: int, data: dict[str, Any], lost: int) -> list[Finding]:
    doubts = []
    if not data.get("account_identification"):
        doubts.append(Finding("account_missing", "The statement has no :25: tag.", line, ":25:"))
    if lost:
        doubts.append(Finding("lines_lost", f"{lost} :61: lines could not be read.", line, ":61:"))
    for match in _BALANCE.finditer(block):
        if match["currency"] is None:
            at = line + block.count("\n", 0, match.start())
            doubts.append(Finding("balance_currency", "A balance has no currency.", at, match[0][:5]))
    return doubts


def _note_unknown_tags(block: str, line: int, findings: list[Finding]) -> None:
    for match in _TAG.finditer(block):
        if match[1] not in _KNOWN_TAGS and len(findings) < FINDINGS_MAX:
            at = line + block.count("\n", 0, match.start())
            message = "The tag is unknown here and was not read."
            findings.append(Finding("unknown_tag", message, at, f":{match[1]}:", "warning"))


def _note_clamped_dates(block: str, line: int, findings: list[Finding]) -> None:
    """Some banks count thirty days in every month; the package takes the last day that exists."""
    for match in _VALUE_DATE.finditer(block):
        try:
            date(2000 + int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            at = line + block.count("\n", 0, match.start())
            message = "The value date does not exist; the last day of its month was taken."
            findings.append(Finding("date_clamped", message, at, ":61:", "warning"))


def _identity(data: dict[str, Any]) -> str:
    """Name a statement by its number and reference; either alone is reused every year by some bank."""
    parts = (data.get("transaction_reference"), data.get("statement_number"), data.get("sequence_number"))
    return "/".join(str(part).strip() for part in parts if part)


def _number(written: object) -> int | None:
    text = str(written or "")
    return int(text) if text.isascii() and text.isdigit() else None


def _currency(block: str, data: dict[str, Any]) -> str:
    match = next((m for m in _BALANCE.finditer(block) if m["currency"]), None)
    if match is not None:
        return match["currency"]
    for name in ("d_floor_limit", "c_floor_limit", "sum_credit_entries", "sum_debit_entries"):
        if data.get(name) is not None:
            return str(data[name].currency)
    return ""


def exact(value: Decimal, currency: str, *, line: int | None, place: str) -> Money:
    """Turn the package's decimal into money, exactly. Raises FormatError."""
    money = read_amount(format(abs(value), "f"), currency, line=line, place=place)
    return -money if value < 0 else money


def _balances(block: str, data: dict[str, Any], currency: str, line: int) -> Iterator[Balance]:
    for name, code in _BALANCES.items():
        balance = data.get(name)
        if balance is None or balance.amount is None or not str(balance.amount.currency or "").isalpha():
            continue
        amount = exact(balance.amount.amount, str(balance.amount.currency), line=line, place=name)
        yield Balance(code, amount, _day(balance.date))
    for match in _BALANCE.finditer(block):
        if match["currency"] is None and currency:
            amount = read_amount(match["amount"].replace(",", "."), currency, line=line, place=match["tag"])
            yield Balance(_BALANCE_TAGS[match["tag"]], -amount if match["sign"] == "D" else amount)


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
