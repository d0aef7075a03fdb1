"""The rules of the Nacha Operating Rules on one record, one entry, one batch header.

Each function yields (code, sentence, field). The rule numbers of the field table are in `records`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from apps.payments.formats.nacha.codes import (
    ADVICE,
    CHANGE_CODES,
    CREDIT,
    DEBIT,
    DIRECTIONS,
    IAT_TRANSACTION_TYPES,
    PRENOTES,
    RETURN_CODES,
    SEC_CODES,
    SERVICE_CLASSES,
    ZERO_DOLLAR,
    check_digit,
    is_routing,
)
from apps.payments.formats.nacha.records import Entry, Record

Broken = tuple[str, str, str]

_MANDATORY_IAT = ("10", "11", "12", "13", "14", "15", "16")


def is_date(written: str) -> bool:
    """Tell whether six digits are a date YYMMDD."""
    if re.fullmatch(r"[0-9]{6}", written, re.ASCII) is None:
        return False
    try:
        date.fromisoformat(f"20{written[:2]}-{written[2:4]}-{written[4:]}")
    except ValueError:
        return False
    return True


def file_header_rules(header: Record) -> Iterator[Broken]:
    """Check priority, addresses, creation date and file id modifier."""
    if header["priority"] != "01":
        yield "priority", "The priority code is not 01.", "file_header.priority"
    destination = header["immediate_destination"].strip()
    if not is_routing(destination[-9:]) or len(destination) > 10:
        yield (
            "destination",
            "The immediate destination is no routing number.",
            "file_header.immediate_destination",
        )
    if not re.fullmatch(r"[A-Z0-9 ]{1,10}", header["immediate_origin"].strip(), re.ASCII):
        yield "origin", "The immediate origin is blank or no identification.", "file_header.immediate_origin"
    if not is_date(header["creation_date"]):
        yield "creation_date", "The creation date is not a date.", "file_header.creation_date"
    if not re.fullmatch(r"[A-Z0-9]", header["file_id_modifier"], re.ASCII):
        yield "file_id_modifier", "The file id modifier is none of A-Z, 0-9.", "file_header.file_id_modifier"


def _is_empty(value: str) -> bool:
    return not value.strip(" 0")


def batch_header_rules(header: Record) -> Iterator[Broken]:
    """Check service class, SEC code, names and dates of a batch header."""
    sec = header["sec_code"]
    if header["service_class"] not in SERVICE_CLASSES:
        yield (
            "service_class",
            "The service class code is none of 200, 220, 225, 280.",
            "batch_header.service_class",
        )
    elif (header["service_class"] == "280") != (sec == "ADV"):
        yield "service_class", "Service class 280 and SEC code ADV go together.", "batch_header.service_class"
    if sec not in SEC_CODES:
        yield "sec_code", "The SEC code is unknown.", "batch_header.sec_code"
    if header.layout == "batch_header" and _is_empty(header["company_name"]):
        yield "company_name", "The company name is blank or all zeros.", "batch_header.company_name"
    if not header["company_id"].strip():
        yield "company_id", "The company identification is blank.", "batch_header.company_id"
    if _is_empty(header["entry_description"]):
        yield (
            "entry_description",
            "The entry description is blank or all zeros.",
            "batch_header.entry_description",
        )
    effective = header["effective_date"].strip()
    if not _is_empty(effective) and not is_date(effective):
        yield "effective_date", "The effective entry date is not a date.", "batch_header.effective_date"
    if header["originator_status"] not in ("0", "1", "2"):
        yield (
            "originator_status",
            "The originator status code is none of 0, 1, 2.",
            "batch_header.originator_status",
        )


def entry_rules(entry: Entry, header: Record | None) -> Iterator[Broken]:
    """Check one entry and its addenda against its batch header."""
    record, sec = entry.record, header["sec_code"] if header else ""
    code = record["transaction_code"]
    if code not in DIRECTIONS or (code in ADVICE) != (sec == "ADV"):
        yield "transaction_code", "The transaction code is not allowed here.", "entry.transaction_code"
    yield from _routing_rules(record)
    if record.layout != "adv_entry":
        yield from _indicator_rules(entry)
    if header is not None and code in DIRECTIONS:
        yield from _direction_rules(DIRECTIONS[code], header, entry)
    match entry.category:
        case "forward":
            yield from _amount_rules(entry, sec)
            yield from _addenda_rules(entry, sec)
            yield from _name_rules(record, sec)
        case "return" | "dishonoured" | "contested":
            yield from _return_rules(entry)
        case _:
            yield from _change_rules(entry, sec)


def _routing_rules(record: Record) -> Iterator[Broken]:
    rdfi = record["rdfi"]
    if len(rdfi) == 8 and rdfi.isascii() and rdfi.isdigit() and check_digit(rdfi) != record["check_digit"]:
        yield "check_digit", "The receiving bank's routing number fails its check digit.", "entry.check_digit"
    if not record["account"].strip():
        yield "account", "The account number is blank.", "entry.account"


def _indicator_rules(entry: Entry) -> Iterator[Broken]:
    expected = "1" if entry.addenda else "0"
    if entry.record["addenda_indicator"] != expected:
        yield (
            "addenda_indicator",
            "The addenda indicator does not fit the addenda.",
            "entry.addenda_indicator",
        )


def _direction_rules(direction: str, header: Record, entry: Entry) -> Iterator[Broken]:
    allowed = SERVICE_CLASSES.get(header["service_class"], "mixed")
    if allowed in (CREDIT, DEBIT) and allowed != direction:
        yield (
            "service_class",
            f"A {direction} stands in a batch of service class {header['service_class']}.",
            ("entry.transaction_code"),
        )
    rule = SEC_CODES.get(header["sec_code"])
    reversal = header["entry_description"].strip() == "REVERSAL"
    if rule and rule.debit_only and direction == CREDIT and entry.category == "forward" and not reversal:
        yield "debit_only", f"SEC code {header['sec_code']} carries debits only.", "entry.transaction_code"


def _amount_rules(entry: Entry, sec: str) -> Iterator[Broken]:
    code, amount = entry.record["transaction_code"], entry.record["amount"]
    zero = not amount.strip("0")
    if code in PRENOTES and not zero:
        yield "prenote_amount", "A prenotification carries an amount.", "entry.amount"
    if code in ZERO_DOLLAR:
        rule = SEC_CODES.get(sec)
        if not zero or rule is None or not rule.zero_dollar:
            yield (
                "zero_dollar",
                "A zero-dollar code stands with an amount or the wrong SEC code.",
                "entry.amount",
            )
    elif code in DIRECTIONS and code not in PRENOTES and code not in ADVICE and zero:
        yield "amount", "An entry that moves money has the amount zero.", "entry.amount"


def _name_rules(record: Record, sec: str) -> Iterator[Broken]:
    rule = SEC_CODES.get(sec)
    if rule and rule.name_required and _is_empty(record["name"]):
        yield "name", f"The receiver's name is blank, which {sec} does not allow.", "entry.name"


def _addenda_rules(entry: Entry, sec: str) -> Iterator[Broken]:
    rule = SEC_CODES.get(sec)
    if rule is None:
        return
    if sec == "IAT":
        yield from _international_rules(entry)
        return
    count = len(entry.addenda)
    if not rule.addenda_min <= count <= rule.addenda_max:
        yield "addenda_count", f"{sec} does not allow {count} addenda records.", "entry.addenda"
    if any(record["type"] not in ("", rule.addenda_type) for record in entry.addenda):
        yield "addenda_type", f"An addenda record is of a type that {sec} does not allow.", "addenda.type"
    if rule.counts_addenda and entry.record.number("addenda_count") != count:
        yield "addenda_count", "The number of addenda is not the one the entry states.", "entry.addenda_count"
    yield from _sequence_rules(entry)


def _sequence_rules(entry: Entry) -> Iterator[Broken]:
    tail = entry.record["trace"][-7:]
    numbered = [record for record in entry.addenda if record.layout == "addenda05"]
    if [record.number("sequence") for record in numbered] != list(range(1, len(numbered) + 1)):
        yield "addenda_sequence", "The addenda are not numbered 1, 2, 3 ….", "addenda.sequence"
    if any(record["entry_sequence"] != tail for record in numbered):
        yield "addenda_trace", "An addenda record belongs to another trace number.", "addenda.entry_sequence"
    if any(r["trace"] != entry.record["trace"] for r in entry.addenda if r.layout == "addenda02"):
        yield "addenda_trace", "An addenda record belongs to another trace number.", "addenda.trace"


def _international_rules(entry: Entry) -> Iterator[Broken]:
    """IAT: addenda 10 to 16 once each and in order, then up to two 17 and five 18."""
    kinds = [record.layout[-2:] for record in entry.addenda]
    mandatory, optional = tuple(kinds[:7]), kinds[7:]
    ordered = sorted(optional) == optional and set(optional) <= {"17", "18"}
    if mandatory != _MANDATORY_IAT or not ordered or optional.count("17") > 2 or optional.count("18") > 5:
        yield (
            "iat_addenda",
            "The addenda are not 10 to 16, then 17 and 18, of an international entry.",
            "addenda",
        )
    for record in entry.addenda:
        if record["entry_sequence"] != entry.record["trace"][-7:]:
            yield (
                "addenda_trace",
                "An addenda record belongs to another trace number.",
                "addenda.entry_sequence",
            )
        if record.layout == "addenda10" and record["transaction_type"] not in IAT_TRANSACTION_TYPES:
            yield "transaction_type", "The transaction type code is unknown.", "addenda10.transaction_type"


def _return_rules(entry: Entry) -> Iterator[Broken]:
    for record in entry.addenda:
        if record.layout.startswith("addenda99") and record["return_code"] not in RETURN_CODES:
            yield "return_code", "The return code is not in the table.", "addenda99.return_code"


def _change_rules(entry: Entry, sec: str) -> Iterator[Broken]:
    if sec != "COR":
        yield "sec_code", "A notification of change stands outside a COR batch.", "batch_header.sec_code"
    for record in entry.addenda:
        if not record.layout.startswith("addenda98"):
            continue
        if record.layout == "addenda98" and record["change_code"] not in CHANGE_CODES:
            yield "change_code", "The change code is not in the table.", "addenda98.change_code"
        if not record["corrected_data"].strip():
            yield "corrected_data", "The corrected data are blank.", "addenda98.corrected_data"
