"""One verdict for every format: `validate` tells what a file is, whether it holds, and what it sums up to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from apps.payments.formats.amounts import sum_text
from apps.payments.formats.bai2 import check_bai2
from apps.payments.formats.camt import STATEMENT_KINDS, GroupHeader, stream_camt
from apps.payments.formats.controls import SHAPES, control_findings
from apps.payments.formats.detection import BAI2, MT940, MT942, NACHA, detect
from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError, Report
from apps.payments.formats.iso_rules import content_findings, status_totals
from apps.payments.formats.messages import read_message, schema_findings
from apps.payments.formats.mt940 import read_mt940
from apps.payments.formats.nacha.reader import check_nacha
from apps.payments.formats.statements import EntryTally, Statement, StatementEntry
from apps.payments.formats.xml import MESSAGE_BYTES_MAX, Source, source_bytes

STATUS_KINDS = frozenset(
    {"pain.002", "pain.014", "pacs.002", "pacs.028", "camt.029", "camt.055", "camt.056", "admi.002"}
)


def validate(source: Source, *, as_format: str | None = None, strict: bool = True) -> Report:
    """Check a file of any format and return the verdict. Never raises for what is in the file.

    `as_format` is what the file is expected to be (pain.001, camt.053.001.08, NACHA …); anything else
    is not valid. Leniently, faults of form become warnings, never faults of content.
    """
    try:
        name = detect(source)
        if as_format and not _fits(name, as_format):
            message = f"The file is {name}, not {as_format}."
            return Report(name, False, (Finding("wrong_format", message, 1),), {})
        return _dispatch(source, name, strict=strict)
    except FormatError as error:
        return Report(as_format or "unknown", False, error.findings[:FINDINGS_MAX], {})


def _fits(name: str, expected: str) -> bool:
    wanted = expected.upper()
    return name.upper() == wanted or name.upper().startswith(f"{wanted}.")


def _dispatch(source: Source, name: str, *, strict: bool) -> Report:
    try:
        if name == NACHA:
            return check_nacha(source, lenient=not strict)
        if name[:8] in STATEMENT_KINDS:
            return _validate_camt(source, name, strict=strict)
        if name in (MT940, MT942):
            return _validate_statements(source, strict=strict)
        if name == BAI2:
            return _validate_bai2(source, strict=strict)
        return _validate_message(source, name)
    except FormatError as error:
        return Report(name, False, error.findings[:FINDINGS_MAX], {})


def _validate_message(source: Source, name: str) -> Report:
    if source_bytes(source) > MESSAGE_BYTES_MAX:
        raise FormatError("too_large", f"A message has at most {MESSAGE_BYTES_MAX} bytes.")
    message = read_message(source if isinstance(source, bytes) else source.read_bytes())
    findings = schema_findings(message)
    totals: dict[str, Any] = {}
    if message.kind in SHAPES:
        controls, sums = control_findings(message)
        findings += controls
        totals = sums.as_dict()
    elif message.kind in STATUS_KINDS:
        totals = status_totals(message)
    findings += content_findings(message)
    return _report(name, findings, totals)


def _report(name: str, findings: list[Finding], totals: dict[str, Any]) -> Report:
    """Put errors first, so that a long list of warnings cannot push them out."""
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    valid = not any(finding.severity == "error" for finding in findings)
    return Report(name, valid, tuple(ordered[:FINDINGS_MAX]), totals)


class _StatementTotals:
    """Totals over the statements of a file, entry by entry, with each statement's proof."""

    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self.entries = self.details = 0
        self.statuses: Counter[str] = Counter()
        self.sums: dict[str, list[int]] = {}
        self._open: tuple[Statement, EntryTally] | None = None

    def start(self, statement: Statement) -> None:
        self.close()
        self._open = (statement, EntryTally())

    def add(self, entry: StatementEntry) -> None:
        if self._open is not None:
            self._open[1].add(entry)
        sums = self.sums.setdefault(entry.amount.currency, [0, 0])
        sums[entry.amount.minor < 0] += abs(entry.amount.minor)

    def close(self) -> None:
        if self._open is None:
            return
        statement, tally = self._open
        self._open = None
        proof = tally.proof(statement)
        self.entries += tally.entries
        self.details += tally.details
        self.statuses.update(tally.statuses)
        for reason in proof.reasons:
            message = "The statement does not prove its day."
            self.findings.append(Finding(reason, message, statement.line, statement.kind, "warning"))
        if len(self.statements) < FINDINGS_MAX:
            self.statements.append({"id": statement.id, "entries": tally.entries, "proof": str(proof)})

    def as_dict(self) -> dict[str, Any]:
        sums = {
            currency: {
                "credit": sum_text(credit, currency),
                "debit": sum_text(debit, currency),
            }
            for currency, (credit, debit) in sorted(self.sums.items())
        }
        return {
            "statements": len(self.statements),
            "entries": self.entries,
            "details": self.details,
            "statuses": dict(sorted(self.statuses.items())),
            "sums": sums,
            "proofs": self.statements,
        }


def _validate_camt(source: Source, name: str, *, strict: bool) -> Report:
    totals, findings = _StatementTotals(), list[Finding]()
    for part in stream_camt(source, lenient=not strict):
        if isinstance(part, GroupHeader):
            findings += part.findings
        elif isinstance(part, Statement):
            totals.start(part)
        else:
            totals.add(part)
    totals.close()
    if not totals.statements:
        findings.append(Finding("no_statement", "The message holds no statement."))
    return _report(name, findings + totals.findings, totals.as_dict())


def _collect(statements: tuple[Statement, ...]) -> _StatementTotals:
    totals = _StatementTotals()
    for statement in statements:
        totals.start(statement)
        for entry in statement.entries:
            totals.add(entry)
    totals.close()
    return totals


def _validate_statements(source: Source, *, strict: bool) -> Report:
    file = read_mt940(source, lenient=not strict)
    totals = _collect(file.statements)
    return _report(file.format, [*file.findings, *totals.findings], totals.as_dict())


def _validate_bai2(source: Source, *, strict: bool) -> Report:
    file, found = check_bai2(source)
    totals = _collect(file.statements)
    softened = [
        item if strict else Finding(item.code, item.message, item.line, item.place, "warning")
        for item in found.items
    ]
    return _report(BAI2, [*softened, *totals.findings], totals.as_dict())
