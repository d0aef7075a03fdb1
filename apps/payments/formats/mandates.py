"""What a direct debit says about its mandate, between customer and bank and between banks alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from apps.payments.formats.epc import check_identifier, is_creditor_identifier
from apps.payments.formats.errors import FormatError
from apps.payments.formats.nodes import Element, day, flag, text
from apps.payments.formats.writing import account, leaf, node


@dataclass(frozen=True, slots=True)
class MandateReference:
    """The mandate of a collection; the `original_…` fields say what was amended since the last one."""

    mandate_id: str
    signed_on: date
    original_mandate_id: str = ""
    original_creditor_id: str = ""
    original_debtor_account: str = ""

    @property
    def amended(self) -> bool:
        """Tell whether an amendment is stated."""
        return bool(self.original_mandate_id or self.original_creditor_id or self.original_debtor_account)


def mandate_node(mandate: MandateReference, place: str) -> str:
    """Write the mandate related information. Raises FormatError (identifier)."""
    details = node(
        "AmdmntInfDtls",
        leaf("OrgnlMndtId", mandate.original_mandate_id),
        creditor_id_node("OrgnlCdtrSchmeId", mandate.original_creditor_id),
        account("OrgnlDbtrAcct", mandate.original_debtor_account),
    )
    return node(
        "MndtRltdInf",
        leaf("MndtId", check_identifier(mandate.mandate_id, f"{place}/MndtId")),
        leaf("DtOfSgntr", mandate.signed_on),
        leaf("AmdmntInd", mandate.amended),
        details,
    )


def creditor_id_node(tag: str, creditor_id: str) -> str:
    """Write a creditor identifier of the SEPA scheme. Raises FormatError (creditor_id)."""
    if not creditor_id:
        return ""
    if not is_creditor_identifier(creditor_id):
        raise FormatError("creditor_id", "The creditor identifier's check digits are wrong.", None, tag)
    scheme = node("SchmeNm", leaf("Prtry", "SEPA"))
    return node(tag, node("Id", node("PrvtId", node("Othr", leaf("Id", creditor_id), scheme))))


def read_mandate(element: Element, path: str) -> MandateReference | None:
    """Read the mandate related information under the path, if it is there."""
    mandate_id, signed_on = text(element, f"{path}/MndtId"), day(element, f"{path}/DtOfSgntr")
    if not mandate_id or signed_on is None:
        return None
    amended = flag(element, f"{path}/AmdmntInd")
    details = f"{path}/AmdmntInfDtls"
    return MandateReference(
        mandate_id=mandate_id,
        signed_on=signed_on,
        original_mandate_id=text(element, f"{details}/OrgnlMndtId") if amended else "",
        original_creditor_id=read_creditor_id(element, f"{details}/OrgnlCdtrSchmeId") if amended else "",
        original_debtor_account=(
            text(element, f"{details}/OrgnlDbtrAcct/Id/IBAN", f"{details}/OrgnlDbtrAcct/Id/Othr/Id")
            if amended
            else ""
        ),
    )


def read_creditor_id(element: Element, path: str) -> str:
    """Read a creditor identifier."""
    return text(element, f"{path}/Id/PrvtId/Othr/Id")
