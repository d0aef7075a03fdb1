"""Reads and checks NACHA files. Checking keeps totals only, so a file of any length uses flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.payments.formats.amounts import sum_text
from apps.payments.formats.errors import Finding, Findings, FormatError, Report
from apps.payments.formats.nacha.codes import CREDIT, DIRECTIONS
from apps.payments.formats.nacha.records import LINES_PER_BLOCK, Batch, Entry, NachaFile, Record
from apps.payments.formats.nacha.rules import batch_header_rules, entry_rules, file_header_rules
from apps.payments.formats.nacha.scan import Part, Scanner
from apps.payments.formats.xml import Source

FORM_RULES = frozenset(
    {"record_length", "charset", "blocking", "destination", "origin", "zero_batches", "file_id_modifier"}
)
"""What a lenient reader bears with: how the file is dressed, never what it says."""

HASH_MODULUS = 10**10
"""The entry hash keeps its ten low-order digits, on both sides of the comparison."""
LISTED_CODES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class NachaReading:
    """A file with what was found in it. Leniently, bad entries are there too; `findings` name them."""

    file: NachaFile
    report: Report
    error_lines: frozenset[int] = frozenset()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what was found."""
        return self.report.findings

    def is_sound(self, entry: Entry) -> bool:
        """Tell whether no error was found on the lines of an entry and its addenda."""
        lines = {entry.record.line, *(record.line for record in entry.addenda)}
        return not lines & self.error_lines


@dataclass(slots=True)
class Tally:
    """Counts and sums of a batch or a file, in cents."""

    entries: int = 0
    addenda: int = 0
    hash: int = 0
    debit_minor: int = 0
    credit_minor: int = 0

    def add(self, entry: Entry) -> None:
        """Count an entry and its addenda."""
        self.entries += 1
        self.addenda += len(entry.addenda)
        self.hash += entry.record.number("rdfi")
        direction = DIRECTIONS.get(entry.record["transaction_code"])
        if direction == CREDIT:
            self.credit_minor += entry.amount_minor
        elif direction:
            self.debit_minor += entry.amount_minor

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.entries += other.entries
        self.addenda += other.addenda
        self.hash += other.hash
        self.debit_minor += other.debit_minor
        self.credit_minor += other.credit_minor


@dataclass(slots=True)
class _State:
    findings: Findings
    total: Tally = field(default_factory=Tally)
    batch: Tally = field(default_factory=Tally)
    header: Record | None = None
    batches: int = 0
    batch_number: int = -1
    trace: str = ""
    category: str = ""
    sec_codes: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


def check_nacha(source: Source, *, lenient: bool = False, custom_return_codes: bool = False) -> Report:
    """Check a file and return the verdict with its totals. Never raises for what is in the file."""
    findings = _findings(lenient=lenient, custom_return_codes=custom_return_codes)
    state = _State(findings)
    try:
        for _ in _checked_parts(source, state, lenient=lenient):
            pass
    except FormatError as error:
        findings.add(error.code, error.message, error.line, error.place)
    return _report(state)


def read_nacha(source: Source, *, lenient: bool = False, custom_return_codes: bool = False) -> NachaReading:
    """Read a whole file.

    Strictly, any error refuses the file whole. Leniently (for what partners send us) everything that
    can be read is, and the report says what is wrong. Raises FormatError.
    """
    state = _State(_findings(lenient=lenient, custom_return_codes=custom_return_codes, lines_kept=True))
    header, batches, entries, batch = Record("file_header", {}), [], [], None
    for part in _checked_parts(source, state, lenient=lenient):
        if isinstance(part, Entry):
            entries.append(part)
        elif part.layout == "file_header":
            header = part
        elif part.layout.endswith("batch_header"):
            batch = part
            entries = []
        elif part.layout.endswith("batch_control") and batch is not None:
            batches.append(Batch(batch, tuple(entries)))
            batch, entries = None, []
    if entries:  # entries without a batch, or a batch without its control: kept, with a finding
        batches.append(Batch(batch or Record("batch_header", {}), tuple(entries)))
    if not lenient:
        state.findings.require_none()
    return NachaReading(
        NachaFile(header, tuple(batches)), _report(state), frozenset(state.findings.error_lines)
    )


def _findings(*, lenient: bool, custom_return_codes: bool, lines_kept: bool = False) -> Findings:
    soft = FORM_RULES if lenient else frozenset()
    return Findings(soft=soft | {"return_code"} if custom_return_codes else soft, lines_kept=lines_kept)


def _report(state: _State) -> Report:
    total = state.total
    totals: dict[str, Any] = {
        "batches": state.batches,
        "entries": total.entries,
        "addenda": total.addenda,
        "debit": sum_text(total.debit_minor, "USD"),
        "credit": sum_text(total.credit_minor, "USD"),
        "entry_hash": f"{total.hash % HASH_MODULUS:010d}",
        "sec_codes": state.sec_codes,
        "codes": state.codes,
    }
    return Report("NACHA", state.findings.valid, tuple(state.findings.items), totals)


def _checked_parts(source: Source, state: _State, *, lenient: bool) -> Iterator[Part]:
    scanner = Scanner(source, state.findings, lenient=lenient)
    for part in scanner.parts():
        _check(part, state, scanner)
        yield part
    if scanner.lines % LINES_PER_BLOCK:
        state.findings.add("blocking", f"The file has {scanner.lines} records, not whole blocks of ten.")
    if state.batches == 0:
        state.findings.add("zero_batches", "The file holds no batch.")


def _check(part: Part, state: _State, scanner: Scanner) -> None:
    if isinstance(part, Entry):
        _check_entry(part, state)
    elif part.layout == "file_header":
        for code, message, place in file_header_rules(part):
            state.findings.add(code, message, part.line, place)
    elif part.layout.endswith("batch_header"):
        _open_batch(part, state)
    elif part.layout.endswith("batch_control"):
        _close_batch(part, state)
    elif part.layout.endswith("file_control"):
        _check_file_control(part, state, scanner)
    else:
        state.batch.addenda += 1  # an addenda record that has lost its entry still counts


def _open_batch(header: Record, state: _State) -> None:
    if state.header is not None:
        state.total.merge(state.batch)
    state.header, state.batch, state.trace, state.category = header, Tally(), "", ""
    state.batches += 1
    if len(state.sec_codes) < LISTED_CODES_MAX:
        state.sec_codes.append(header["sec_code"])
    for code, message, place in batch_header_rules(header):
        state.findings.add(code, message, header.line, place)
    number = header.number("batch_number")
    if number <= state.batch_number:
        message = "The batch number is not higher than the one before."
        state.findings.add("batch_number", message, header.line, "batch_header.batch_number")
    state.batch_number = number


def _check_entry(entry: Entry, state: _State) -> None:
    line = entry.record.line
    for code, message, place in entry_rules(entry, state.header):
        state.findings.add(code, message, line, place)
    (state.batch if state.header is not None else state.total).add(entry)
    category = entry.category
    if state.category and category != state.category:
        message = "The batch mixes entries with returns or notifications of change."
        state.findings.add("category", message, line, "entry")
    state.category = category
    _note_codes(entry, state)
    if category == "forward" and state.header is not None and entry.record.layout != "adv_entry":
        _check_trace(entry, state, line)


def _note_codes(entry: Entry, state: _State) -> None:
    for record in entry.addenda:
        code = record["return_code"] or record["change_code"]
        if code and len(state.codes) < LISTED_CODES_MAX:
            state.codes.append(code)


def _check_trace(entry: Entry, state: _State, line: int | None) -> None:
    trace = entry.record["trace"]
    if state.header is not None and not trace.startswith(state.header["odfi"]):
        message = "The trace number does not start with the originating bank's number."
        state.findings.add("trace_odfi", message, line, "entry.trace")
    if trace <= state.trace:
        state.findings.add("trace_order", "The trace numbers do not ascend.", line, "entry.trace")
    state.trace = trace


def _close_batch(control: Record, state: _State) -> None:
    header = state.header
    if header is None:
        return
    if state.batch.entries == 0:
        state.findings.add("batch_empty", "The batch holds no entry.", control.line)
    _compare(control, state.batch, state.findings, "batch_control")
    names = ["service_class", "odfi", "batch_number"]
    if header.layout == "batch_header" and header["sec_code"] != "ADV":
        names.append("company_id")  # international and advice controls carry none
    for name in names:
        if control[name].strip() != header[name].strip():
            message = f"The batch control's {name} is not that of its header."
            state.findings.add("control_mismatch", message, control.line, f"batch_control.{name}")
    state.total.merge(state.batch)
    state.header, state.batch = None, Tally()


def _compare(control: Record, tally: Tally, findings: Findings, place: str) -> None:
    pairs = (
        ("entry_count", "entry_count", tally.entries + tally.addenda),
        ("entry_hash", "entry_hash", tally.hash % HASH_MODULUS),
        ("debit", "debit_total", tally.debit_minor),
        ("credit", "credit_total", tally.credit_minor),
    )
    for name, code, found in pairs:
        if control.number(name) != found:
            findings.add(
                code, f"The control's {name} is not the {found} found.", control.line, f"{place}.{name}"
            )


def _check_file_control(control: Record, state: _State, scanner: Scanner) -> None:
    if state.header is not None:
        state.total.merge(state.batch)
        state.header, state.batch = None, Tally()
    _compare(control, state.total, state.findings, "file_control")
    if control.number("batch_count") != state.batches:
        message = f"The file control's batch_count is not the {state.batches} found."
        state.findings.add("batch_count", message, control.line, "file_control.batch_count")
    blocks = -(-scanner.lines // LINES_PER_BLOCK)
    if control.number("block_count") != blocks:
        message = f"The file control's block_count is not the {blocks} needed."
        state.findings.add("block_count", message, control.line, "file_control.block_count")
