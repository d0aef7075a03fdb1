"""Words that the interbank messages share: agents, parties, the settlement they name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from apps.core.money import Money
from apps.payments.formats.errors import FormatError
from apps.payments.formats.messages import Message, read_message, require_valid
from apps.payments.formats.nodes import Element, day, line_of, local_name, money, text
from apps.payments.formats.writing import leaf, node


@dataclass(frozen=True, slots=True)
class Agent:
    """A bank: its BIC, or its number in a clearing system (USABA and the routing number for FedNow)."""

    bic: str = ""
    member: str = ""
    clearing_system: str = ""


NO_AGENT = Agent()


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a message settles: method (CLRG, INDA, INGA) and clearing system code or proprietary name."""

    method: str = "CLRG"
    system_code: str = ""
    system_proprietary: str = ""


CLEARING = Settlement()


@dataclass(frozen=True, slots=True)
class PaymentType:
    """Service level and local instrument, each by ISO code or proprietary name, and category purpose."""

    service_level: str = ""
    local_instrument: str = ""
    local_instrument_proprietary: str = ""
    sequence_type: str = ""
    category_purpose: str = ""
    category_purpose_proprietary: str = ""


NO_TYPE = PaymentType()


def agent_node(tag: str, agent: Agent) -> str:
    """Write an agent; nothing if it is not named."""
    system = node("ClrSysId", leaf("Cd", agent.clearing_system))
    member = node("ClrSysMmbId", system, leaf("MmbId", agent.member)) if agent.member else ""
    return node(tag, node("FinInstnId", leaf("BICFI", agent.bic), member))


def agent_party(tag: str, agent: Agent) -> str:
    """Write an agent where a message takes a party or an agent."""
    return node(tag, agent_node("Agt", agent))


def required_agent(tag: str, agent: Agent) -> str:
    """Write an agent. Raises FormatError (agent) if it is not named."""
    written = agent_node(tag, agent)
    if not written:
        raise FormatError("agent", "The message needs this bank.", None, tag)
    return written


def read_agent(element: Element, path: str) -> Agent:
    """Read an agent; an empty one if the message names none."""
    return Agent(
        bic=text(element, f"{path}/FinInstnId/BICFI", f"{path}/FinInstnId/BIC"),
        member=text(element, f"{path}/FinInstnId/ClrSysMmbId/MmbId"),
        clearing_system=text(element, f"{path}/FinInstnId/ClrSysMmbId/ClrSysId/Cd"),
    )


def settlement_node(settlement: Settlement) -> str:
    """Write the settlement information."""
    system = leaf("Cd", settlement.system_code) or leaf("Prtry", settlement.system_proprietary)
    return node("SttlmInf", leaf("SttlmMtd", settlement.method), node("ClrSys", system))


def read_settlement(element: Element) -> Settlement:
    """Read the settlement information of a group header."""
    return Settlement(
        text(element, "SttlmInf/SttlmMtd"),
        text(element, "SttlmInf/ClrSys/Cd"),
        text(element, "SttlmInf/ClrSys/Prtry"),
    )


def type_node(kind: PaymentType) -> str:
    """Write the payment type information; nothing if it is empty."""
    local = leaf("Cd", kind.local_instrument) or leaf("Prtry", kind.local_instrument_proprietary)
    purpose = leaf("Cd", kind.category_purpose) or leaf("Prtry", kind.category_purpose_proprietary)
    return node(
        "PmtTpInf",
        node("SvcLvl", leaf("Cd", kind.service_level)),
        node("LclInstrm", local),
        leaf("SeqTp", kind.sequence_type),
        node("CtgyPurp", purpose),
    )


def read_type(element: Element) -> PaymentType:
    """Read the payment type information of a group header or a transaction."""
    return PaymentType(
        text(element, "PmtTpInf/SvcLvl/Cd"),
        text(element, "PmtTpInf/LclInstrm/Cd"),
        text(element, "PmtTpInf/LclInstrm/Prtry"),
        text(element, "PmtTpInf/SeqTp"),
        text(element, "PmtTpInf/CtgyPurp/Cd"),
        text(element, "PmtTpInf/CtgyPurp/Prtry"),
    )


def required_money(element: Element, *paths: str) -> Money:
    """Read an amount. Raises FormatError (amount_missing)."""
    amount = money(element, *paths)
    if amount is None:
        raise FormatError("amount_missing", "An amount is missing.", line_of(element), local_name(element))
    return amount


def read_expected(data: bytes, kind: str) -> Message:
    """Parse a message of the kind (pacs.008), valid against its schema. Raises FormatError."""
    message = read_message(data)
    if message.kind != kind:
        raise FormatError("wrong_message", f"A {kind} is expected, not a {message.name}.")
    require_valid(message)
    return message


@dataclass(frozen=True, slots=True)
class OriginalPayment:
    """How a message names an earlier payment: by its references, amount and settlement date."""

    message_id: str = ""
    message_name: str = ""
    instruction_id: str = ""
    end_to_end_id: str = ""
    tx_id: str = ""
    uetr: str = ""
    amount: Money | None = None
    settlement_date: date | None = None


def original_group(original: OriginalPayment) -> str:
    """Write the original message's id and name; nothing if the id is unknown."""
    if not original.message_id:
        return ""
    name = leaf("OrgnlMsgNmId", original.message_name or "pacs.008.001.08")
    return node("OrgnlGrpInf", leaf("OrgnlMsgId", original.message_id), name)


def original_references(original: OriginalPayment) -> str:
    """Write the references of an earlier payment, in the order of the schemas."""
    return (
        leaf("OrgnlInstrId", original.instruction_id)
        + leaf("OrgnlEndToEndId", original.end_to_end_id)
        + leaf("OrgnlTxId", original.tx_id)
        + leaf("OrgnlUETR", original.uetr)
    )


def read_original(element: Element) -> OriginalPayment:
    """Read the references of an earlier payment."""
    return OriginalPayment(
        message_id=text(element, "OrgnlGrpInf/OrgnlMsgId"),
        message_name=text(element, "OrgnlGrpInf/OrgnlMsgNmId"),
        instruction_id=text(element, "OrgnlInstrId"),
        end_to_end_id=text(element, "OrgnlEndToEndId"),
        tx_id=text(element, "OrgnlTxId"),
        uetr=text(element, "OrgnlUETR"),
        amount=money(element, "OrgnlIntrBkSttlmAmt"),
        settlement_date=day(element, "OrgnlIntrBkSttlmDt"),
    )
