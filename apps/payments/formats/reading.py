"""One way in for statements of every format."""

from __future__ import annotations

from apps.payments.formats.bai2 import read_bai2
from apps.payments.formats.camt import STATEMENT_KINDS, read_camt
from apps.payments.formats.detection import BAI2, MT940, MT942, detect
from apps.payments.formats.errors import FormatError
from apps.payments.formats.mt940 import read_mt940
from apps.payments.formats.statements import StatementFile
from apps.payments.formats.xml import Source


def read_statements(data: Source, *, lenient: bool = False, dialect: str = "standard") -> StatementFile:
    """Read a statement file (camt.052/053/054, MT940, MT942, BAI2), told by its content.

    Strictly, a file that breaks its format is refused; leniently, the complaints become findings.
    `dialect` names a bank's way of bending MT940. Statements that do not foot are read all the same:
    ask each for its `proof`. Raises FormatError.
    """
    name = detect(data)
    if name[:8] in STATEMENT_KINDS:
        return read_camt(data, lenient=lenient)
    if name in (MT940, MT942):
        return read_mt940(data, lenient=lenient, dialect=dialect)
    if name == BAI2:
        return read_bai2(data, lenient=lenient)
    raise FormatError("not_a_statement", f"A {name} file holds no statements.")
