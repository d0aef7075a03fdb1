"""What banks put into `:86:` and `:NS:`: German question-mark fields, slash fields, or plain prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_SLASH = re.compile(r"/(EREF|MARF|CSID|NAME|REMI|IBAN|BIC|RTRN|TRCD|BENM|ORDP|PREF|ISDT|SVCL)/")
_PLUS = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|COAM|OAMT|IBAN|BIC)\+")


@dataclass(frozen=True, slots=True)
class Details:
    """The parts of an entry's free text that can be told; empty where they cannot."""

    code: str = ""
    name: str = ""
    account: str = ""
    remittance: str = ""
    end_to_end: str = ""
    mandate: str = ""
    return_reason: str = ""
    info: str = ""


def read_details(data: dict[str, Any]) -> Details:
    """Read the details of a transaction as the package delivers them."""
    if data.get("transaction_code"):
        return _question_marks(data)
    free = _text(data, "transaction_details") or _text(data, "non_swift_text")
    joined = free.replace("\n", "")
    if _SLASH.search(joined):
        return _slashes(joined, free, data)
    remittance = " ".join(free.split())
    return Details(
        name=_text(data, "non_swift_15"),
        remittance=remittance,
        info=_text(data, "extra_details") or _text(data, "non_swift_17"),
    )


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return str(value).strip() if value is not None else ""


def _question_marks(data: dict[str, Any]) -> Details:
    """`?20`-`?29` purpose, `?30` bank, `?31` account, `?32` name (German banks' structure)."""
    purpose = _text(data, "purpose") or _text(data, "additional_purpose")
    account = _text(data, "applicant_iban")
    keys = _plus_fields(purpose)
    return Details(
        code=_text(data, "transaction_code"),
        name=_text(data, "applicant_name"),
        account=account,
        remittance=keys.get("SVWZ", "") or purpose,
        end_to_end=_text(data, "end_to_end_reference") or keys.get("EREF", ""),
        mandate=_text(data, "additional_position_reference") or keys.get("MREF", ""),
        return_reason=_text(data, "return_debit_notes"),
        info=_text(data, "posting_text"),
    )


def _plus_fields(purpose: str) -> dict[str, str]:
    parts = _PLUS.split(purpose)
    return {key: value.strip() for key, value in zip(parts[1::2], parts[2::2], strict=False)}


def _slashes(joined: str, free: str, data: dict[str, Any]) -> Details:
    """`/EREF/…/BENM//NAME/…/REMI/…` (Dutch banks' structure)."""
    parts = _SLASH.split(joined)
    fields = {key: value.strip("/ ") for key, value in zip(parts[1::2], parts[2::2], strict=False)}
    account = fields.get("IBAN", "")
    return Details(
        code=fields.get("TRCD", ""),
        name=fields.get("NAME", ""),
        account=account,
        remittance=fields.get("REMI", "") or " ".join(free.split()),
        end_to_end=fields.get("EREF", ""),
        mandate=fields.get("MARF", ""),
        return_reason=fields.get("RTRN", ""),
        info=_text(data, "extra_details"),
    )
