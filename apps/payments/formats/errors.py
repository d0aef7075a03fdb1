"""What a reader says about a file: findings that name the place, and the error that refuses it whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from apps.core.errors import Refusal

FINDINGS_MAX = 200
"""A report lists at most so many findings; a broken file of a million lines says the same thing each time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: a stable code, a sentence without personal data, the line and the place.

    `line` counts from 1 and is None where the rule concerns the whole file. `severity` is "error"
    (the file is not valid) or "warning" (it is, but somebody should look).
    """

    code: str
    message: str
    line: int | None = None
    place: str = ""
    severity: str = "error"

    def as_dict(self) -> dict[str, Any]:
        """Write the finding as JSON-able data."""
        return {
            "code": self.code,
            "line": self.line,
            "message": self.message,
            "place": self.place,
            "severity": self.severity,
        }


class FormatError(Refusal):
    """The file is refused whole: `code` names the rule, `line` and `place` where it is broken.

    `findings` holds everything found until then. No message carries a value out of the file, since
    values may be personal data and messages reach logs.
    """

    code: ClassVar[str] = "format_error"
    title: ClassVar[str] = "The file does not follow its format."

    def __init__(
        self,
        code: str,
        message: str,
        line: int | None = None,
        place: str = "",
        findings: tuple[Finding, ...] = (),
    ) -> None:
        super().__init__(message=message, line=line, place=place)
        self.code = code  # type: ignore[misc]  # the rule that was broken, not the kind of exception
        self.message = message
        self.line = line
        self.place = place
        self.findings = findings or (Finding(code, message, line, place),)

    @classmethod
    def of(cls, findings: list[Finding]) -> FormatError:
        """Make the refusal that leads with the first error and carries all of them."""
        first = next(item for item in findings if item.severity == "error")
        return cls(first.code, first.message, first.line, first.place, tuple(findings[:FINDINGS_MAX]))


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one file. `totals` holds counts, and sums as decimal text per currency."""

    format: str
    valid: bool
    findings: tuple[Finding, ...] = ()
    totals: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Write the report as JSON-able data."""
        return {
            "format": self.format,
            "valid": self.valid,
            "findings": [finding.as_dict() for finding in self.findings],
            "totals": self.totals,
        }


class Findings:
    """Collects findings while a file is read; keeps FINDINGS_MAX of them, and counts the errors.

    `soft` codes are warnings. With `lines_kept`, the line of every error is kept as well; a check in
    flat memory goes without.
    """

    def __init__(self, *, soft: frozenset[str] = frozenset(), lines_kept: bool = False) -> None:
        self.items: list[Finding] = []
        self.error_count = 0
        self.error_lines: set[int] = set()
        self._soft = soft
        self._lines_kept = lines_kept

    def add(
        self, code: str, message: str, line: int | None = None, place: str = "", *, severity: str = "error"
    ) -> None:
        """Note a finding; the codes a lenient reader was told to bear with become warnings."""
        severity = "warning" if code in self._soft else severity
        if severity == "error":
            self.error_count += 1
            if line is not None and self._lines_kept:
                self.error_lines.add(line)
        if len(self.items) < FINDINGS_MAX:
            self.items.append(Finding(code, message, line, place, severity))

    @property
    def valid(self) -> bool:
        """Tell whether no error was found."""
        return self.error_count == 0

    def require_none(self) -> None:
        """Refuse the file if an error was found. Raises FormatError."""
        if not self.valid:
            raise FormatError.of(self.items)
