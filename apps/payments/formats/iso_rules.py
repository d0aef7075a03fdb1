"""What the schemas leave open: external codes, IBAN check digits, the EPC character set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from apps.payments.formats.epc import is_epc_text, is_iban
from apps.payments.formats.errors import Finding
from apps.payments.formats.messages import Message
from apps.payments.formats.nodes import Element, line_of, local_name, text

# The external code set that governs a code, by the path of its last elements.
_CODED = {
    "RtrRsnInf/Rsn/Cd": "ExternalReturnReason1Code",
    "RtrInf/Rsn/Cd": "ExternalReturnReason1Code",
    "StsRsnInf/Rsn/Cd": "ExternalStatusReason1Code",
    "CxlRsnInf/Rsn/Cd": "ExternalCancellationReason1Code",
    "CxlStsRsnInf/Rsn/Cd": "ExternalPaymentCancellationRejection1Code",
    "TxSts": "ExternalPaymentTransactionStatus1Code",
    "Purp/Cd": "ExternalPurpose1Code",
    "CtgyPurp/Cd": "ExternalCategoryPurpose1Code",
    "SvcLvl/Cd": "ExternalServiceLevel1Code",
}
_TAILS = {path.rpartition("/")[2] for path in _CODED}


@lru_cache(maxsize=1)
def external_codes() -> dict[str, frozenset[str]]:
    """Return the ISO 20022 external code sets on board, by name."""
    path = Path(__file__).parent / "schemas" / "external_codes.json"
    return {name: frozenset(codes) for name, codes in json.loads(path.read_text("utf-8")).items()}


def content_findings(message: Message) -> list[Finding]:
    """Check codes, IBANs and, in SEPA messages, characters. All but wrong IBANs are warnings."""
    sepa = any(el.text == "SEPA" for el in message.body.iter("{*}Cd") if _path(el, 2) == "SvcLvl/Cd")
    findings: list[Finding] = []
    for element in message.body.iter():
        name = local_name(element)
        if name in _TAILS:
            findings.extend(_code_findings(element))
        elif name == "IBAN" and not is_iban((element.text or "").strip()):
            findings.append(
                Finding("iban", "The IBAN's check digits are wrong.", line_of(element), "IBAN", "warning")
            )
        elif (
            sepa
            and name in ("Nm", "Ustrd", "EndToEndId", "MsgId")
            and not is_epc_text((element.text or "").strip())
        ):
            text_out = "Characters outside the EPC set may be changed or refused on the way."
            findings.append(Finding("epc_charset", text_out, line_of(element), name, "warning"))
    return findings


def _path(element: Element, steps: int) -> str:
    names: list[str] = []
    current: Any = element
    while current is not None and len(names) < steps:
        names.append(local_name(current))
        current = current.getparent()
    return "/".join(reversed(names))


def _code_findings(element: Element) -> Iterator[Finding]:
    for steps in (3, 2, 1):
        path = _path(element, steps)
        if path in _CODED:
            if (element.text or "").strip() not in external_codes()[_CODED[path]]:
                message = f"The code is not in {_CODED[path]}."
                yield Finding("unknown_code", message, line_of(element), path, "warning")
            return


def status_totals(message: Message) -> dict[str, Any]:
    """Count what a status report, an inquiry or a recall holds, by status."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    transactions = 0
    for element in message.body.iter():
        name = local_name(element)
        if name in ("GrpSts", "PmtInfSts", "TxSts", "TxCxlSts", "Conf"):
            counts[f"{name}:{(element.text or '').strip()}"] += 1
        elif name in ("TxInfAndSts", "TxInf"):
            transactions += 1
        elif name == "Rsn":
            reasons[text(element, "Cd", "Prtry")] += 1
    return {
        "transactions": transactions,
        "statuses": dict(sorted(counts.items())),
        "reasons": dict(sorted(reasons.items())),
    }
