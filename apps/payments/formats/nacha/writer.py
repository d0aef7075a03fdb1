"""Writes NACHA files: control records are worked out, never given; the file is padded to whole blocks."""

from __future__ import annotations

from apps.payments.formats.errors import FormatError
from apps.payments.formats.nacha.reader import HASH_MODULUS, Tally, check_nacha
from apps.payments.formats.nacha.records import (
    FILLER,
    LAYOUTS,
    LINES_PER_BLOCK,
    Batch,
    NachaFile,
    Record,
)

LINES_MAX = 1_000_000


def write_nacha(file: NachaFile) -> bytes:
    """Write a file and check it strictly: what breaks a rule never leaves.

    The same file gives the same bytes, with line feeds as line ends. Raises FormatError.
    """
    data = encode_nacha(file)
    report = check_nacha(data)
    if not report.valid:
        raise FormatError.of(list(report.findings))
    return data


def encode_nacha(file: NachaFile) -> bytes:
    """Write a file without checking its rules. Raises FormatError if a value does not fit its field."""
    lines = [file.header.text()]
    total, advice = Tally(), False
    for batch in file.batches:
        tally = _batch_tally(batch)
        lines.append(batch.header.text())
        for entry in batch.entries:
            lines.append(entry.record.text())
            lines.extend(record.text() for record in entry.addenda)
        lines.append(_batch_control(batch.header, tally))
        total.merge(tally)
        advice = advice or batch.header["sec_code"] == "ADV"
    if len(lines) > LINES_MAX:
        raise FormatError("too_many_records", f"A file has at most {LINES_MAX} records.")
    lines.append(_file_control(len(file.batches), len(lines) + 1, total, advice=advice))
    lines.extend([FILLER] * (-len(lines) % LINES_PER_BLOCK))
    return ("\n".join(lines) + "\n").encode("ascii")


def _batch_tally(batch: Batch) -> Tally:
    tally = Tally()
    for entry in batch.entries:
        tally.add(entry)
    return tally


def _sums(tally: Tally) -> dict[str, str]:
    return {
        "entry_count": str(tally.entries + tally.addenda),
        "entry_hash": str(tally.hash % HASH_MODULUS),
        "debit": str(tally.debit_minor),
        "credit": str(tally.credit_minor),
    }


def _batch_control(header: Record, tally: Tally) -> str:
    names = ["service_class", "odfi", "batch_number"]
    if header.layout == "batch_header":
        names.append("company_id")
    layout = "adv_batch_control" if header["sec_code"] == "ADV" else "batch_control"
    return LAYOUTS[layout].write({name: header[name] for name in names} | _sums(tally))


def _file_control(batches: int, lines: int, total: Tally, *, advice: bool) -> str:
    blocks = -(-lines // LINES_PER_BLOCK)
    values = {"batch_count": str(batches), "block_count": str(blocks)} | _sums(total)
    return LAYOUTS["adv_file_control" if advice else "file_control"].write(values)
