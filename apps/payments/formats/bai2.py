"""BAI2, the cash management balance reporting format of US banks, read into the statement model.

Records 01 file, 02 group, 03 account with its balances, 16 transaction, 88 continuation, and the
trailers 49, 98, 99, whose counts and signed control totals are all checked. Amounts are integers in
minor units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from apps.core.money import BadAmount, Money, UnknownCurrency
from apps.payments.formats.amounts import is_currency
from apps.payments.formats.camt import sha256_of
from apps.payments.formats.errors import Findings, FormatError
from apps.payments.formats.statements import (
    Balance,
    BankCode,
    References,
    Statement,
    StatementEntry,
    StatementFile,
    number_occurrences,
)
from apps.payments.formats.xml import STREAM_BYTES_MAX, Source, open_source, source_bytes

LINE_BYTES_MAX = 4096
_BALANCE_CODES = {
    "010": "OPBD", "015": "CLBD", "040": "OPAV", "045": "CLAV", "060": "ITBD", "030": "ITBD", "072": "FWAV",
}  # fmt: skip
_RECORDS = frozenset({"01", "02", "03", "16", "49", "88", "98", "99"})
_FUNDS_ARGUMENTS = {"V": 2, "S": 3}
_KEYED = re.compile(r"^([A-Z]{4}): ?(.*)$")


@dataclass(slots=True)
class _Logical:
    """A record with its continuations: the fields, the first line, how many lines it took."""

    code: str
    line: int
    parts: list[str]

    @property
    def lines(self) -> int:
        return len(self.parts)

    def fields(self) -> list[str]:
        return ",".join(self.parts).split(",")


@dataclass(slots=True)
class _Level:
    """What a trailer closes: the control total and the number of records and children so far."""

    total: int = 0
    records: int = 0
    children: int = 0


@dataclass(slots=True)
class _Account:
    number: str
    currency: str
    line: int
    as_of: date | None
    kind: str
    balances: list[Balance] = field(default_factory=list)
    entries: list[StatementEntry] = field(default_factory=list)


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.file, self.group, self.level = _Level(), _Level(), _Level()
        self.message_id = ""
        self.group_currency, self.kind = "USD", "statement"
        self.as_of: date | None = None
        self.account: _Account | None = None
        self.statements: list[Statement] = []
        self.closed = False
        self.group_open = False

    def take(self, record: _Logical) -> None:
        if self.closed:
            self.findings.add("after_trailer", "A record follows the file trailer.", record.line)
            return
        match record.code:
            case "01":
                self._file_header(record)
            case "02":
                self._group_header(record)
            case "03":
                self._account_header(record)
            case "16":
                self._transaction(record)
            case "49":
                self._account_trailer(record)
            case "98":
                self._group_trailer(record)
            case _:
                self._file_trailer(record)

    def _file_header(self, record: _Logical) -> None:
        fields = record.fields()
        if self.file.records:
            self.findings.add("order", "The file header is not the first record.", record.line, "01")
        self.file.records += record.lines
        self.message_id = "-".join(part for part in fields[2:5] + fields[5:6] if part)

    def _group_header(self, record: _Logical) -> None:
        fields = _padded(record.fields(), 8)
        if not self.file.records or self.group_open:
            self.findings.add("order", "A group header stands in the wrong place.", record.line, "02")
        self.group, self.group_open = _Level(records=record.lines), True
        self.group_currency = fields[6].strip() or "USD"
        self.as_of = _date(fields[4])
        self.kind = "interim" if fields[7].strip() in ("1", "3") else "statement"

    def _account_header(self, record: _Logical) -> None:
        fields = _padded(record.fields(), 3)
        if not self.group_open or self.account is not None:
            self.findings.add("order", "An account header stands in the wrong place.", record.line, "03")
        currency = fields[2].strip() or self.group_currency
        if not is_currency(currency):
            raise FormatError("unknown_currency", "The currency is not one of ISO 4217.", record.line, "03")
        self.account = _Account(fields[1].strip(), currency, record.line, self.as_of, self.kind)
        self.level = _Level(records=record.lines)
        self._read_summaries(fields[3:], record.line)

    def _read_summaries(self, fields: list[str], line: int) -> None:
        """Read the repeating group: type code, amount, item count, funds type with its arguments."""
        at = 0
        while at + 1 < len(fields) and self.account is not None:
            code, amount = fields[at].strip(), _integer(fields[at + 1], line, "03")
            at += 4 + _arguments(fields, at + 3)
            if amount is None:
                continue
            self.level.total += amount
            if code in _BALANCE_CODES:
                money = _money(amount, self.account.currency, line)
                self.account.balances.append(Balance(_BALANCE_CODES[code], money, self.as_of))

    def _transaction(self, record: _Logical) -> None:
        self.level.records += record.lines
        if self.account is None:
            self.findings.add("order", "A transaction stands outside an account.", record.line, "16")
            return
        fields = ",\n".join(record.parts).split(",")
        code, amount = _padded(fields, 4)[1].strip(), _integer(_padded(fields, 4)[2], record.line, "16")
        after = 4 + _arguments(fields, 3)
        self.level.total += amount or 0
        rest = _padded(fields[after:], 2)
        text = ",".join(rest[2:]).replace(",\n", "\n").strip().rstrip("/").strip()
        money = _money(amount or 0, self.account.currency, record.line)
        position = len(self.account.entries) + 1
        entry = _entry(position, code, money, fields, rest, text, self.as_of, record.line)
        self.account.entries.append(entry)

    def _account_trailer(self, record: _Logical) -> None:
        self.level.records += record.lines
        self._check(record, self.level, children=None)
        if self.account is None:
            self.findings.add("order", "An account trailer stands without an account.", record.line, "49")
            return
        self.statements.append(_statement(self.account, self.message_id))
        self.account = None
        self.group.total += self.level.total
        self.group.records += self.level.records
        self.group.children += 1

    def _group_trailer(self, record: _Logical) -> None:
        if not self.group_open or self.account is not None:
            self.findings.add("order", "A group trailer stands in the wrong place.", record.line, "98")
        self.group.records += record.lines
        self._check(record, self.group, children=self.group.children)
        self.file.total += self.group.total
        self.file.records += self.group.records
        self.file.children += 1
        self.group_open = False

    def _file_trailer(self, record: _Logical) -> None:
        if self.group_open:
            self.findings.add("order", "The file trailer comes before a group's.", record.line, "99")
        self.file.records += record.lines
        self._check(record, self.file, children=self.file.children)
        self.closed = True

    def _check(self, record: _Logical, level: _Level, *, children: int | None) -> None:
        """Compare a trailer with what it covers: control total, children, records."""
        fields = record.fields()
        told_total = _integer(_padded(fields, 2)[1], record.line, record.code)
        if told_total != level.total:
            message = f"The control total is not the {level.total} found."
            self.findings.add("control_total", message, record.line, record.code)
        counts = [("children", children)] if children is not None else []
        counts.append(("records", level.records))
        for at, (name, found) in enumerate(counts, start=2):
            if _integer(_padded(fields, at + 1)[at], record.line, record.code) != found:
                message = f"The number of {name} is not the {found} found."
                self.findings.add(f"control_{name}", message, record.line, record.code)

    def finish(self) -> None:
        """Note what is still open at the end of the file."""
        if self.account is not None:
            self.findings.add("order", "The last account has no trailer.", self.account.line, "49")
            self.statements.append(_statement(self.account, self.message_id))
        if not self.closed:
            self.findings.add("order", "The file has no trailer.", None, "99")


def read_bai2(source: Source, *, lenient: bool = False) -> StatementFile:
    """Read a BAI2 file; each account of each group is a statement.

    Strictly, a record in the wrong place or a trailer that disagrees refuses the file; leniently
    these are findings. Raises FormatError.
    """
    file, findings = _read(source)
    if not lenient:
        findings.require_none()
    if not file.statements:
        raise FormatError("no_statement", "The file holds no account.", 1)
    return file


def check_bai2(source: Source) -> tuple[StatementFile, Findings]:
    """Read a file and return it with everything found. Raises FormatError for what is no BAI2 at all."""
    return _read(source)


def _read(source: Source) -> tuple[StatementFile, Findings]:
    findings = Findings()
    reader = _Reader(findings)
    for record in _logical_records(source):
        reader.take(record)
    reader.finish()
    statements = tuple(reader.statements)
    file = StatementFile(
        "BAI2", reader.message_id, None, statements, sha256_of(source), tuple(findings.items)
    )
    return file, findings


def _logical_records(source: Source) -> Iterator[_Logical]:
    """Join continuations (88) to the record they continue. Raises FormatError."""
    if source_bytes(source) > STREAM_BYTES_MAX:
        raise FormatError("too_large", f"The limit is {STREAM_BYTES_MAX} bytes.")
    current: _Logical | None = None
    with open_source(source) as stream:
        number = 0
        while raw := stream.readline(LINE_BYTES_MAX):
            number += 1
            line = _text(raw, number)
            if not line:
                continue
            code, _, rest = line.partition(",")
            if code not in _RECORDS or (current is None and code != "01"):
                raise FormatError(
                    "record_code", "The line starts with no record code that may stand here.", number
                )
            if code == "88" and current is not None:
                current.parts.append(rest)
                continue
            if current is not None:
                yield current
            current = _Logical(code, number, [line])
    if current is not None:
        yield current


def _text(raw: bytes, number: int) -> str:
    if len(raw) == LINE_BYTES_MAX and not raw.endswith(b"\n"):
        raise FormatError("record_length", "The line is longer than any record.", number)
    if b"\0" in raw:
        raise FormatError("nul_byte", "The file holds a NUL byte.", number)
    line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
    return line.removesuffix("/")


def _padded(fields: list[str], count: int) -> list[str]:
    return fields + [""] * (count - len(fields))


def _arguments(fields: list[str], at: int) -> int:
    """Tell how many fields the funds type at this index takes after itself."""
    kind = fields[at].strip() if at < len(fields) else ""
    if kind == "D":
        count = fields[at + 1].strip() if at + 1 < len(fields) else ""
        return 1 + 2 * int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 1
    return _FUNDS_ARGUMENTS.get(kind, 0)


def _integer(written: str, line: int, place: str) -> int | None:
    text = written.strip()
    if not text:
        return None
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII) is None:
        raise FormatError("bad_amount", "This is no whole number of minor units.", line, place)
    return int(text)


def _money(minor: int, currency: str, line: int) -> Money:
    try:
        return Money(minor, currency)
    except (UnknownCurrency, BadAmount):
        raise FormatError("unknown_currency", "The currency is not one of ISO 4217.", line, "03") from None


def _date(written: str) -> date | None:
    text = written.strip()
    if re.fullmatch(r"[0-9]{6}", text, re.ASCII) is None:
        return None
    try:
        return date.fromisoformat(f"20{text[:2]}-{text[2:4]}-{text[4:]}")
    except ValueError:
        return None


def is_debit(code: str) -> bool:
    """Tell whether a transaction type code is a debit (400 to 699); the others up to 399 are credits."""
    return code.isascii() and code.isdigit() and 400 <= int(code) <= 699


def _entry(
    position: int,
    code: str,
    money: Money,
    fields: list[str],
    rest: list[str],
    text: str,
    as_of: date | None,
    line: int,
) -> StatementEntry:
    found = (_KEYED.match(part.strip()) for part in text.split("\n"))
    keyed = {match[1]: match[2] for match in found if match}
    value_date = _date(fields[4]) if len(fields) > 4 and fields[3].strip() == "V" else as_of
    debit = is_debit(code)
    sides = ("CRNM", "CACT") if debit else ("DBNM", "DACT")
    plain = " ".join(part for part in text.split("\n") if not _KEYED.match(part.strip())).strip()
    return StatementEntry(
        position=position,
        amount=-money if debit else money,
        status="BOOK",
        booking_date=as_of,
        value_date=value_date or as_of,
        refs=References(
            end_to_end=keyed.get("EREF", "").strip(),
            instr=rest[1].strip(),
            acct_svcr=rest[0].strip(),
        ),
        bank_code=BankCode(proprietary=code),
        counterparty_name=keyed.get(sides[0], "").strip(),
        counterparty_iban=keyed.get(sides[1], "").strip(),
        remittance_unstructured=keyed.get("REMI", "").strip() or plain,
        info=text if keyed else "",
        line=line,
    )


def _statement(account: _Account, message_id: str) -> Statement:
    stamp = f"{account.as_of:%Y%m%d}" if account.as_of else ""
    return Statement(
        id="-".join(part for part in (message_id, stamp, account.number) if part),
        kind=account.kind,
        account=account.number,
        iban="",
        currency=account.currency,
        from_date=account.as_of,
        to_date=account.as_of,
        balances=tuple(account.balances),
        entries=number_occurrences(account.entries, account.number),
        line=account.line,
    )
