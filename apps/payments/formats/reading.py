"""One way in for statements of every format."""

from __future__ import annotations

from apps.payments.formats.camt import STATEMENT_KINDS, read_camt
from apps.payments.formats.detection import detect
from apps.payments.formats.errors import FormatError
from apps.payments.formats.statements import StatementFile
from apps.payments.formats.xml import Source


def read_statements(data: Source, *, lenient: bool = False) -> StatementFile:
    """Read a statement file of any format, told by its content.

    Strictly, a file that breaks its schema is refused; leniently, the complaints become warnings.
    Statements that do not foot are read all the same: ask each for its `proof`. Raises FormatError.
    """
    name = detect(data)
    if name[:8] in STATEMENT_KINDS:
        return read_camt(data, lenient=lenient)
    raise FormatError("not_a_statement", f"A {name} file holds no statements.")
