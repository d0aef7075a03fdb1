"""Measures the formats: how long ten thousand payments take, and how much memory a hundred megabytes do."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.core.money import Money
from apps.payments.formats.camt_write import build_statements
from apps.payments.formats.epc import Address, creditor_reference
from apps.payments.formats.nacha import AchBatch, AchEntry, AchFile, build_ach, check_nacha
from apps.payments.formats.pain001 import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    build_credit_transfer,
)
from apps.payments.formats.reading import read_statements
from apps.payments.formats.statements import Balance, BankCode, References, Statement, StatementEntry
from apps.payments.formats.validation import validate

IBAN = "DE02300606010002474689"
AT = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
DAY = date(2026, 9, 2)

LIMITS: dict[str, float | int] = {
    "pain001_build_and_validate_s": 3,
    "nacha_parse_and_check_s": 1,
    "camt_memory_growth_mib": 64,
    "nacha_memory_growth_mib": 64,
}
"""What must hold on two cores: seconds for `count` payments, MiB of growth for a large file."""


def sample_credit_transfers(count: int) -> CreditTransferBatch:
    """Make a batch of payments with addresses, remittances and UETRs; the same count, the same batch."""
    transfers = tuple(
        CreditTransfer(
            end_to_end_id=f"E2E-{number:08d}",
            amount=Money(100 + number, "EUR"),
            creditor_name=f"Jürgen Müßig & Söhne {number}",
            creditor_iban=IBAN,
            creditor_address=Address("Köln", "DE", "50667", "Domkloster", "4"),
            remittance=f"Rechnung {number}" if number % 2 else "",
            creditor_reference="" if number % 2 else creditor_reference(f"{number:08d}"),
            uetr=UUID(int=(number << 80) | (4 << 76) | (8 << 60)),
        )
        for number in range(1, count + 1)
    )
    group = CreditTransferGroup("BENCH-1", "Bezant GmbH", IBAN, DAY, transfers)
    return CreditTransferBatch("BENCH", AT, "Bezant GmbH", (group,))


def sample_ach(count: int) -> AchFile:
    """Make a file of PPD credits."""
    entries = tuple(
        AchEntry(
            "credit",
            "231380104",
            f"{number:010d}",
            Money(100 + number, "USD"),
            f"Payee {number}",
            str(number),
        )
        for number in range(1, count + 1)
    )
    batch = AchBatch("BEZANT", "1234567890", "PPD", "PAYROLL", DAY, "12104288", entries)
    return AchFile("231380104", "121042882", AT, (batch,))


def sample_statement(count: int) -> Statement:
    """Make a statement that foots."""
    entries = tuple(
        StatementEntry(
            position=number,
            amount=Money(number if number % 3 else -number, "EUR"),
            status="BOOK",
            booking_date=DAY,
            value_date=DAY,
            refs=References(end_to_end=f"E2E-{number:08d}", acct_svcr=f"BANK-{number:08d}"),
            bank_code=BankCode("PMNT", "RCDT", "ESCT"),
            counterparty_name=f"Payer {number}",
            counterparty_iban=IBAN,
            remittance_unstructured=f"Invoice {number}",
        )
        for number in range(1, count + 1)
    )
    total = Money(sum(entry.amount.minor for entry in entries), "EUR")
    balances = (Balance("OPBD", Money(0, "EUR"), DAY), Balance("CLBD", total, DAY))
    return Statement(
        "BENCH", "statement", IBAN, IBAN, "EUR", sequence="1", balances=balances, entries=entries
    )


def _timed(work: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    started = clock()
    result = work()
    return round(clock() - started, 3), result


def measure(
    *, count: int = 10_000, large_bytes: int = 0, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Run every measurement and return the numbers. `large_bytes` adds the memory of files of that size.

    Memory comes first, since a process's peak never goes down.
    """
    numbers: dict[str, Any] = {"count": count, "large_bytes": large_bytes}
    if large_bytes:
        with tempfile.TemporaryDirectory() as folder:
            numbers |= _memory(Path(folder), large_bytes, clock)
    batch = sample_credit_transfers(count)
    numbers["pain001_build_and_validate_s"], data = _timed(lambda: build_credit_transfer(batch), clock)
    numbers["pain001_bytes"] = len(data)
    numbers["pain001_check_s"], report = _timed(lambda: validate(data), clock)
    ach = build_ach(sample_ach(count))
    numbers["nacha_parse_and_check_s"], checked = _timed(lambda: check_nacha(ach), clock)
    statement = build_statements(message_id="BENCH", created_at=AT, statements=(sample_statement(count),))
    numbers["camt_read_s"], file = _timed(lambda: read_statements(statement), clock)
    numbers["valid"] = report.valid and checked.valid and file.statements[0].proof.proven
    return numbers


def _memory(folder: Path, large_bytes: int, clock: Callable[[], float]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name, write in (("camt", _write_large_camt), ("nacha", _write_large_nacha)):
        path = folder / name
        written = write(path, large_bytes)
        validate(written)  # what a small file needs is no growth
        before = _peak_kib()
        numbers[f"{name}_large_s"], report = _timed(lambda at=path: validate(at), clock)  # type: ignore[misc]
        numbers[f"{name}_memory_growth_mib"] = (_peak_kib() - before) // 1024
        numbers[f"{name}_large_entries"] = report.totals["entries"]
    return numbers


def _peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _write_large_camt(path: Path, large_bytes: int) -> bytes:
    """Repeat an entry until the file is large; return the small file it was made from."""
    small = build_statements(message_id="BENCH", created_at=AT, statements=(sample_statement(1),))
    head, _, rest = small.partition(b"<Ntry>")
    body, _, tail = rest.partition(b"</Ntry>")
    _repeat(path, head, b"<Ntry>" + body + b"</Ntry>\n", tail, large_bytes)
    return small


def _write_large_nacha(path: Path, large_bytes: int) -> bytes:
    small = build_ach(sample_ach(1))
    lines = small.splitlines(keepends=True)
    _repeat(path, b"".join(lines[:2]), lines[2], b"".join(lines[3:]), large_bytes)
    return small


def _repeat(path: Path, head: bytes, part: bytes, tail: bytes, large_bytes: int) -> None:
    with path.open("wb") as file:
        file.write(head)
        for _ in range(large_bytes // len(part)):
            file.write(part)
        file.write(tail)


def misses(numbers: dict[str, Any]) -> Iterator[str]:
    """Name the measurements that are beyond their limit; limits hold for ten thousand payments."""
    for name, limit in LIMITS.items():
        if name in numbers and numbers[name] > limit:
            yield name
    if not numbers["valid"]:
        yield "valid"
