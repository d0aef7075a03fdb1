"""The records of a NACHA file as a table: every field with its columns (1-based, inclusive) and kind.

Kinds: `A` alphameric, left-justified, blank-filled; `N` digits, right-justified, zero-filled; `n`
digits or blank; `=x` the constant x. What no field names is blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.payments.formats.errors import FormatError
from apps.payments.formats.nacha.codes import CONTESTED, DISHONOURED, REFUSED_CHANGE_CODES

RECORD_CHARS = 94
LINES_PER_BLOCK = 10


@dataclass(frozen=True, slots=True)
class Field:
    """One field: where it lies and what it may hold."""

    name: str
    first: int
    last: int
    kind: str

    @property
    def width(self) -> int:
        """Return the number of characters."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of record."""

    name: str
    fields: tuple[Field, ...]
    slices: tuple[tuple[str, int, int], ...] = field(repr=False)
    numeric: tuple[tuple[str, int, int, bool], ...] = field(repr=False)

    def read(self, line: str) -> dict[str, str]:
        """Cut a line of 94 characters into its fields, without the blanks that fill them."""
        return {name: line[first:last].rstrip() for name, first, last in self.slices}

    def write(self, values: Mapping[str, str | int]) -> str:
        """Write a record. Raises FormatError (field) if a value does not fit or is not allowed."""
        line = [" "] * RECORD_CHARS
        for item in self.fields:
            line[item.first - 1 : item.last] = self._fit(item, str(values.get(item.name, "")))
        return "".join(line)

    def _fit(self, item: Field, value: str) -> str:
        if item.kind.startswith("="):
            return item.kind[1:]
        printable = value.isascii() and (value.isprintable() or not value)
        digits = item.kind == "A" or (value.isascii() and value.isdigit()) or not value
        if len(value) > item.width or not printable or not digits:
            raise FormatError("field", "A value does not fit its field.", None, f"{self.name}.{item.name}")
        if item.kind == "A" or (item.kind == "n" and not value):
            return value.ljust(item.width)
        return value.rjust(item.width, "0")


def _layout(name: str, spec: str) -> Layout:
    fields = []
    for part in spec.split():
        label, columns, kind = part.split(":")
        first, _, last = columns.partition("-")
        fields.append(Field(label, int(first), int(last or first), kind))
    slices = tuple((f.name, f.first - 1, f.last) for f in fields if not f.kind.startswith("="))
    numeric = tuple((f.name, f.first - 1, f.last, f.kind == "n") for f in fields if f.kind in "Nn")
    return Layout(name, tuple(fields), slices, numeric)


_BATCH_TAIL = (
    "effective_date:70-75:A settlement_date:76-78:A originator_status:79:A odfi:80-87:N batch_number:88-94:N"
)
_ENTRY_HEAD = "record:1:=6 transaction_code:2-3:N rdfi:4-11:N check_digit:12:N"
_ENTRY_TAIL = "addenda_indicator:79:N trace:80-94:N"
_RETURN_HEAD = "record:1:=7 type:2-3:=99 return_code:4-6:A original_trace:7-21:N"
_IAT_TAIL = "entry_sequence:88-94:N"

LAYOUTS: dict[str, Layout] = {
    name: _layout(name, spec)
    for name, spec in {
        "file_header": "record:1:=1 priority:2-3:N immediate_destination:4-13:A immediate_origin:14-23:A "
        "creation_date:24-29:N creation_time:30-33:n file_id_modifier:34:A record_size:35-37:=094 "
        "blocking_factor:38-39:=10 format_code:40:=1 destination_name:41-63:A origin_name:64-86:A "
        "reference:87-94:A",
        "batch_header": "record:1:=5 service_class:2-4:N company_name:5-20:A discretionary_data:21-40:A "
        f"company_id:41-50:A sec_code:51-53:A entry_description:54-63:A descriptive_date:64-69:A {_BATCH_TAIL}",
        "iat_batch_header": "record:1:=5 service_class:2-4:N iat_indicator:5-20:A exchange_indicator:21-22:A "
        "exchange_reference_indicator:23:A exchange_reference:24-38:A destination_country:39-40:A "
        "company_id:41-50:A sec_code:51-53:A entry_description:54-63:A origin_currency:64-66:A "
        f"destination_currency:67-69:A {_BATCH_TAIL}",
        "entry": f"{_ENTRY_HEAD} account:13-29:A amount:30-39:N individual_id:40-54:A name:55-76:A "
        f"discretionary_data:77-78:A {_ENTRY_TAIL}",
        "ctx_entry": f"{_ENTRY_HEAD} account:13-29:A amount:30-39:N individual_id:40-54:A "
        f"addenda_count:55-58:N name:59-74:A discretionary_data:77-78:A {_ENTRY_TAIL}",
        "iat_entry": f"{_ENTRY_HEAD} addenda_count:13-16:N amount:30-39:N account:40-74:A "
        f"ofac_indicator:77:A secondary_ofac_indicator:78:A {_ENTRY_TAIL}",
        "adv_entry": f"{_ENTRY_HEAD} account:13-27:A amount:28-39:N advice_routing:40-48:N file_id:49-53:A "
        "operator_data:54:A name:55-76:A discretionary_data:77-78:A addenda_indicator:79:N "
        "operator_routing:80-87:N julian_day:88-90:N sequence:91-94:N",
        "addenda02": "record:1:=7 type:2-3:=02 reference1:4-10:A reference2:11-13:A terminal_id:14-19:A "
        "serial:20-25:A transaction_date:26-29:A authorisation:30-35:A terminal_location:36-62:A "
        "terminal_city:63-77:A terminal_state:78-79:A trace:80-94:N",
        "addenda05": "record:1:=7 type:2-3:=05 information:4-83:A sequence:84-87:N entry_sequence:88-94:N",
        "addenda10": "record:1:=7 type:2-3:=10 transaction_type:4-6:A foreign_amount:7-24:n "
        f"foreign_trace:25-46:A name:47-81:A {_IAT_TAIL}",
        "addenda11": f"record:1:=7 type:2-3:=11 name:4-38:A street:39-73:A {_IAT_TAIL}",
        "addenda12": f"record:1:=7 type:2-3:=12 city_state:4-38:A country_postcode:39-73:A {_IAT_TAIL}",
        "addenda13": "record:1:=7 type:2-3:=13 bank_name:4-38:A id_qualifier:39-40:A bank_id:41-74:A "
        f"country:75-77:A {_IAT_TAIL}",
        "addenda14": "record:1:=7 type:2-3:=14 bank_name:4-38:A id_qualifier:39-40:A bank_id:41-74:A "
        f"country:75-77:A {_IAT_TAIL}",
        "addenda15": f"record:1:=7 type:2-3:=15 receiver_id:4-18:A street:19-53:A {_IAT_TAIL}",
        "addenda16": f"record:1:=7 type:2-3:=16 city_state:4-38:A country_postcode:39-73:A {_IAT_TAIL}",
        "addenda17": f"record:1:=7 type:2-3:=17 information:4-83:A sequence:84-87:N {_IAT_TAIL}",
        "addenda18": "record:1:=7 type:2-3:=18 bank_name:4-38:A id_qualifier:39-40:A bank_id:41-74:A "
        f"country:75-77:A sequence:84-87:N {_IAT_TAIL}",
        "addenda98": "record:1:=7 type:2-3:=98 change_code:4-6:A original_trace:7-21:N original_rdfi:28-35:N "
        "corrected_data:36-64:A trace:80-94:N",
        "addenda98_refused": "record:1:=7 type:2-3:=98 change_code:4-6:A original_trace:7-21:N "
        "original_rdfi:28-35:N corrected_data:36-64:A refused_code:65-67:A trace_sequence:68-74:N trace:80-94:N",
        "addenda99": f"{_RETURN_HEAD} date_of_death:22-27:n original_rdfi:28-35:N information:36-79:A "
        "trace:80-94:N",
        "addenda99_dishonoured": f"{_RETURN_HEAD} original_rdfi:28-35:N return_trace:39-53:N "
        "return_settlement_date:54-56:n return_reason:57-58:A information:59-79:A trace:80-94:N",
        "addenda99_contested": f"{_RETURN_HEAD} returned_date:22-27:n original_rdfi:28-35:N "
        "original_settlement_date:36-38:n return_trace:39-53:N return_settlement_date:54-56:n "
        "return_reason:57-58:A dishonoured_trace:59-73:N dishonoured_settlement_date:74-76:n "
        "dishonoured_reason:77-78:A trace:80-94:N",
        "batch_control": "record:1:=8 service_class:2-4:N entry_count:5-10:N entry_hash:11-20:N debit:21-32:N "
        "credit:33-44:N company_id:45-54:A authentication:55-73:A odfi:80-87:N batch_number:88-94:N",
        "adv_batch_control": "record:1:=8 service_class:2-4:N entry_count:5-10:N entry_hash:11-20:N "
        "debit:21-40:N credit:41-60:N operator_data:61-79:A odfi:80-87:N batch_number:88-94:N",
        "file_control": "record:1:=9 batch_count:2-7:N block_count:8-13:N entry_count:14-21:N "
        "entry_hash:22-31:N debit:32-43:N credit:44-55:N",
        "adv_file_control": "record:1:=9 batch_count:2-7:N block_count:8-13:N entry_count:14-21:N "
        "entry_hash:22-31:N debit:32-51:N credit:52-71:N",
    }.items()
}

_COUNTED = frozenset({"CTX", "ATX", "TRX"})
FILLER = "9" * RECORD_CHARS


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the name of its layout and its fields without filling blanks."""

    layout: str
    fields: dict[str, str]
    line: int | None = field(default=None, compare=False)

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> int:
        """Return a numeric field; what is not a number is 0, and a finding elsewhere."""
        value = self.fields.get(name, "")
        return int(value) if value.isascii() and value.isdigit() else 0

    def text(self) -> str:
        """Write the record. Raises FormatError."""
        return LAYOUTS[self.layout].write(self.fields)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry detail record with its addenda."""

    record: Record
    addenda: tuple[Record, ...] = ()

    @property
    def amount_minor(self) -> int:
        """Return the amount in cents, unsigned."""
        return self.record.number("amount")

    @property
    def category(self) -> str:
        """Return forward, return, dishonoured, contested, change or refused_change."""
        for record in self.addenda:
            if record.layout.startswith(("addenda98", "addenda99")):
                return _CATEGORIES[record.layout]
        return "forward"


_CATEGORIES = {
    "addenda99": "return",
    "addenda99_dishonoured": "dishonoured",
    "addenda99_contested": "contested",
    "addenda98": "change",
    "addenda98_refused": "refused_change",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: its header and entries. The control record is worked out when it is written."""

    header: Record
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class NachaFile:
    """A whole file: header and batches."""

    header: Record
    batches: tuple[Batch, ...]


def layout_of_batch_header(line: str) -> str:
    """Tell an international batch header from a domestic one."""
    return "iat_batch_header" if line[50:53] == "IAT" or line[4:10] == "IATCOR" else "batch_header"


def layout_of_entry(header: Record | None) -> str:
    """Tell the layout of the entries of a batch."""
    if header is None:
        return "entry"
    if header.layout == "iat_batch_header":
        return "iat_entry"
    if header["sec_code"] == "ADV":
        return "adv_entry"
    return "ctx_entry" if header["sec_code"] in _COUNTED else "entry"


def layout_of_addenda(line: str) -> str | None:
    """Tell the layout of an addenda record, or None if its type is unknown."""
    kind, code = line[1:3], line[3:6]
    if kind == "99":
        suffix = "_dishonoured" if code in DISHONOURED else "_contested" if code in CONTESTED else ""
        return "addenda99" + suffix
    if kind == "98":
        return "addenda98_refused" if code in REFUSED_CHANGE_CODES else "addenda98"
    return f"addenda{kind}" if f"addenda{kind}" in LAYOUTS else None


def read_record(layout: str, line: str, number: int | None = None) -> Record:
    """Cut a line into a record of the layout."""
    return Record(layout, LAYOUTS[layout].read(line), number)
