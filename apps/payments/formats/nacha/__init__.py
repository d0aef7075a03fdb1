"""NACHA: the file format of the US automated clearing house, read whole and written for five SEC codes."""

from apps.payments.formats.nacha.codes import classify_return, is_routing
from apps.payments.formats.nacha.originate import (
    AchBatch,
    AchEntry,
    AchFile,
    build_ach,
    reversal_of,
    same_day_marker,
    trace_numbers,
)
from apps.payments.formats.nacha.reader import NachaReading, check_nacha, read_nacha
from apps.payments.formats.nacha.records import Batch, Entry, NachaFile, Record
from apps.payments.formats.nacha.returns import (
    AchReturn,
    NotificationOfChange,
    change_entry,
    contest_entry,
    dishonour_entry,
    refuse_change_entry,
    return_entry,
    returns_of,
)
from apps.payments.formats.nacha.writer import encode_nacha, write_nacha

__all__ = [
    "AchBatch",
    "AchEntry",
    "AchFile",
    "AchReturn",
    "Batch",
    "Entry",
    "NachaFile",
    "NachaReading",
    "NotificationOfChange",
    "Record",
    "build_ach",
    "change_entry",
    "check_nacha",
    "classify_return",
    "contest_entry",
    "dishonour_entry",
    "encode_nacha",
    "is_routing",
    "read_nacha",
    "refuse_change_entry",
    "return_entry",
    "returns_of",
    "reversal_of",
    "same_day_marker",
    "trace_numbers",
    "write_nacha",
]
