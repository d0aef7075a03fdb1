"""Writes BAI2 statements, the way US banks report an account's day: what `bai2` reads back equal."""

from __future__ import annotations

import re
from datetime import datetime

from apps.payments.formats.bai2 import is_debit
from apps.payments.formats.errors import FormatError
from apps.payments.formats.statements import Statement, StatementEntry

_BALANCE_CODES = {"OPBD": "010", "CLBD": "015", "OPAV": "040", "CLAV": "045"}
_FIELD = re.compile(r"[ -+\--.0-~]*")  # printable ASCII without comma and slash
TEXT_CHARS_MAX = 70


def build_bai2(
    *, sender: str, receiver: str, file_id: str, created_at: datetime, statements: tuple[Statement, ...]
) -> bytes:
    """Write statements of booked entries, each account a group of its own. Raises FormatError.

    The same input gives the same bytes. References travel in keyed continuation lines (`EREF: …`).
    """
    head = _record("01", sender, receiver, f"{created_at:%y%m%d}", f"{created_at:%H%M}", file_id, "", "", "2")
    groups = [_group(statement, sender, receiver) for statement in statements]
    total = sum(amount for amount, _ in groups)
    lines = [head, *(line for _, group in groups for line in group)]
    lines.append(_record("99", str(total), str(len(groups)), str(len(lines) + 1)))
    return ("\n".join(lines) + "\n").encode("ascii")


def _group(statement: Statement, sender: str, receiver: str) -> tuple[int, list[str]]:
    total, account = _account(statement)
    day = statement.to_date
    if day is None:
        raise FormatError("date", "A statement is of a day.", None, "02")
    head = _record("02", receiver, sender, "1", f"{day:%y%m%d}", "", statement.currency, "2")
    lines = [head, *account]
    lines.append(_record("98", str(total), "1", str(len(lines) + 1)))
    return total, lines


def _account(statement: Statement) -> tuple[int, list[str]]:
    summary: list[str] = []
    total = 0
    for balance in statement.balances:
        if balance.code in _BALANCE_CODES:
            summary += [_BALANCE_CODES[balance.code], str(balance.amount.minor), "", ""]
            total += balance.amount.minor
    lines = [_record("03", statement.account, statement.currency, *summary)]
    for entry in statement.entries:
        total += abs(entry.amount.minor)
        lines += _transaction(entry)
    lines.append(_record("49", str(total), str(len(lines) + 1)))
    return total, lines


def _transaction(entry: StatementEntry) -> list[str]:
    code = entry.bank_code.proprietary
    if is_debit(code) != (entry.amount.minor < 0):
        raise FormatError("type_code", "The type code is of the other direction.", None, "16")
    told = entry.details[0] if entry.details else entry
    sides = ("CRNM", "CACT") if entry.amount.minor < 0 else ("DBNM", "DACT")
    texts = {
        "EREF": told.refs.end_to_end,
        sides[0]: told.counterparty_name,
        sides[1]: told.counterparty_iban,
        "REMI": told.remittance_unstructured,
    }
    first = _record("16", code, str(abs(entry.amount.minor)), "", entry.refs.acct_svcr, entry.refs.instr, "")
    return [first, *(f"88,{name}: {_text(value)}" for name, value in texts.items() if value)]


def _record(*fields: str) -> str:
    for value in fields:
        if _FIELD.fullmatch(value) is None:
            raise FormatError("field", "A value holds what separates fields.", None, fields[0])
    return ",".join(fields) + "/"


def _text(value: str) -> str:
    """Return free text without what would end its record."""
    plain = "".join(sign if " " <= sign <= "~" else "." for sign in value).replace("/", "-")
    return plain.strip()[:TEXT_CHARS_MAX]
