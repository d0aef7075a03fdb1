"""Cards through a processor: the JSON messages of its API and of its webhooks, as pure code.

One object looks the same in an answer, in an inquiry and in a webhook, so one reader serves all three.
Amounts are whole minor units. A request names our own reference (`att_…`, `opr_…`), which is also its
idempotency key: sent again, it is the same request. What an issuer or a processor gives as a code is
normalised here, with what to do about it; issuers' two-character codes are those of ISO 8583 field 39.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from apps.core.errors import Invalid, Refusal
from apps.core.money import EXPONENTS, Money
from apps.payments.domain.calendars import Calendar
from apps.payments.domain.card_numbers import CardNumberRefused, check_card_token
from apps.payments.formats import Finding, FormatError
from apps.payments.rails.base import (
    Action,
    Built,
    Capabilities,
    Classified,
    Dates,
    InboundEvent,
    Instruction,
    Outgoing,
    Told,
)

AMOUNT_MAX_MINOR = 99_999_999_999
BODY_BYTES_MAX = 64 * 1024
SETTLES_AFTER_DAYS = 2
EVENT_PREFIX = "card."

OBJECTS: dict[str, frozenset[str]] = {
    "authorisation": frozenset({"authorised", "requires_action", "declined", "failed"}),
    "capture": frozenset({"pending", "succeeded", "failed"}),
    "void": frozenset({"pending", "succeeded", "failed"}),
    "refund": frozenset({"pending", "succeeded", "failed"}),
    "dispute": frozenset({"inquiry", "opened", "won", "lost", "reversed", "closed"}),
}
"""What a processor tells of, and the statuses each can have."""

EVENT_TYPES = frozenset(
    f"{EVENT_PREFIX}{kind}.{status}" for kind, statuses in OBJECTS.items() for status in statuses
)
"""The webhooks that are of cards; a provider's other events mean nothing here."""

MEMBERS = (
    "object",
    "id",
    "reference",
    "status",
    "amount",
    "currency",
    "authorisation",
    "code",
    "action_url",
    "expires_at",
    "reason",
    "evidence_due_at",
)
"""All that is read of an object."""

_DAY = 86_400
CODES: dict[str, Classified] = {
    "insufficient_funds": Classified("insufficient_funds", Action.RETRY, _DAY),
    "51": Classified("insufficient_funds", Action.RETRY, _DAY),
    "do_not_honor": Classified("do_not_honor", Action.RETRY, _DAY),
    "05": Classified("do_not_honor", Action.RETRY, _DAY),
    "limit_exceeded": Classified("limit_exceeded", Action.RETRY, _DAY),
    "61": Classified("limit_exceeded", Action.RETRY, _DAY),
    "issuer_unavailable": Classified("issuer_unavailable", Action.RETRY, 60),
    "91": Classified("issuer_unavailable", Action.RETRY, 60),
    "96": Classified("processing_error", Action.RETRY, 60),
    "processing_error": Classified("processing_error", Action.RETRY, 60),
    "expired_card": Classified("expired_card", Action.FIX),
    "54": Classified("expired_card", Action.FIX),
    "14": Classified("incorrect_number", Action.FIX),
    "incorrect_number": Classified("incorrect_number", Action.FIX),
    "incorrect_cvc": Classified("incorrect_cvc", Action.FIX),
    "N7": Classified("incorrect_cvc", Action.FIX),
    "unknown_token": Classified("unknown_token", Action.FIX),
    "authentication_required": Classified("authentication_required", Action.FIX),
    "1A": Classified("authentication_required", Action.FIX),
    "65": Classified("authentication_required", Action.FIX),
    "authentication_failed": Classified("authentication_failed", Action.FIX),
    "card_not_supported": Classified("card_not_supported", Action.OTHER_RAIL),
    "57": Classified("not_permitted", Action.OTHER_RAIL),
    "not_permitted": Classified("not_permitted", Action.OTHER_RAIL),
    "stolen_card": Classified("stolen_card", Action.STOP),
    "43": Classified("stolen_card", Action.STOP),
    "lost_card": Classified("lost_card", Action.STOP),
    "41": Classified("lost_card", Action.STOP),
    "fraud_suspected": Classified("fraud_suspected", Action.STOP),
    "59": Classified("fraud_suspected", Action.STOP),
    "stop_recurring": Classified("stop_recurring", Action.STOP),
    "R1": Classified("stop_recurring", Action.STOP),
    # Our own words for what happens on the way.
    "not_sent": Classified("not_sent", Action.RETRY, 60),
    "not_received": Classified("not_received", Action.RETRY, 60),
    "no_answer": Classified("no_answer", Action.INQUIRE),
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{0,40}")


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to the processor: a POST with a body and a key, or a GET with neither."""

    method: str
    path: str
    body: bytes = b""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What a processor says of one object. `parent` is the authorisation it belongs to, as the processor names it."""

    object: str
    id: str
    reference: str  # ours, or empty
    status: str
    amount: Money
    parent: str = ""
    code: str = ""
    action_url: str = ""
    expires_at: datetime | None = None
    reason: str = ""
    evidence_due_at: datetime | None = None


def read_word(data: Mapping[str, Any]) -> Word:
    """Read an object of the processor's. Raises Invalid naming the member that cannot be right."""
    kind = _text(data, "object")
    status = _text(data, "status")
    if kind not in OBJECTS or status not in OBJECTS[kind]:
        raise Invalid(field="payload.status" if kind in OBJECTS else "payload.object")
    return Word(
        object=kind,
        id=_name(data, "id"),
        reference=_name(data, "reference", required=False),
        status=status,
        amount=_amount(data),
        parent=_name(data, "authorisation", required=kind != "authorisation"),
        code=_code(data, "code"),
        action_url=_url(data, "action_url"),
        expires_at=_moment(data, "expires_at"),
        reason=_code(data, "reason"),
        evidence_due_at=_moment(data, "evidence_due_at"),
    )


def read_event(event_type: str, payload: Mapping[str, Any]) -> Word:
    """Read a webhook's event. Raises Invalid, also when its type and its object do not agree."""
    word = read_word(payload)
    if event_type != f"{EVENT_PREFIX}{word.object}.{word.status}":
        raise Invalid(field="event_type", reason="it is not what its object says")
    return word


def authorise(
    reference: str, amount: Money, *, merchant: str, card_token: str, return_url: str = ""
) -> Request:
    """Ask for an authorisation."""
    return _post(
        "/v1/authorisations",
        reference,
        {**_money(amount), "merchant": merchant, "card_token": card_token, "return_url": return_url},
    )


def capture(reference: str, amount: Money, *, authorisation: str, final: bool) -> Request:
    """Ask to capture an authorised amount, or a part of it."""
    return _post(f"{_of(authorisation)}/captures", reference, {**_money(amount), "final": final})


def void(reference: str, amount: Money, *, authorisation: str) -> Request:
    """Ask to give up what was not captured."""
    return _post(f"{_of(authorisation)}/voids", reference, _money(amount))


def refund(reference: str, amount: Money, *, authorisation: str) -> Request:
    """Ask to give back a captured amount, or a part of it."""
    return _post(f"{_of(authorisation)}/refunds", reference, _money(amount))


def inquire(reference: str) -> Request:
    """Ask what became of a request of ours, by our own reference."""
    return Request("GET", f"/v1/requests/{quote(reference, safe='')}")


def contest(reference: str, dispute: str, text: str) -> Request:
    """Hand in evidence against a dispute."""
    return _post(f"/v1/disputes/{quote(dispute, safe='')}/evidence", reference, {"text": text})


def accept(reference: str, dispute: str) -> Request:
    """Let a dispute stand."""
    return _post(f"/v1/disputes/{quote(dispute, safe='')}/accept", reference, {})


def _post(path: str, reference: str, body: dict[str, Any]) -> Request:
    data = json.dumps({"reference": reference, **body}, separators=(",", ":"), sort_keys=True).encode()
    return Request("POST", path, data, reference)


def _of(authorisation: str) -> str:
    return f"/v1/authorisations/{quote(authorisation, safe='')}"


def _money(amount: Money) -> dict[str, Any]:
    return {"amount": amount.minor, "currency": amount.currency}


def _text(data: Mapping[str, Any], name: str, default: str = "") -> str:
    value = data.get(name, default)
    value = default if value is None else value
    if not isinstance(value, str):
        raise Invalid(field=f"payload.{name}")
    return value


def _name(data: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    text = _text(data, name)
    if (text or required) and _NAME.fullmatch(text) is None:
        raise Invalid(field=f"payload.{name}")
    return text


def _code(data: Mapping[str, Any], name: str) -> str:
    text = _text(data, name)
    if _CODE.fullmatch(text) is None:
        raise Invalid(field=f"payload.{name}")
    return text


def _url(data: Mapping[str, Any], name: str) -> str:
    text = _text(data, name)
    if not text:
        return ""
    if len(text) > 500 or not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid(field=f"payload.{name}")
    try:
        address = urlsplit(text)
    except ValueError:
        raise Invalid(field=f"payload.{name}") from None
    local = address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost")
    if not address.hostname or not (address.scheme == "https" or local):
        raise Invalid(field=f"payload.{name}")
    return text


def _amount(data: Mapping[str, Any]) -> Money:
    minor = data.get("amount")
    if type(minor) is not int or not 0 < minor <= AMOUNT_MAX_MINOR:
        raise Invalid(field="payload.amount")
    try:
        return Money(minor, _text(data, "currency"))
    except Refusal:
        raise Invalid(field="payload.currency") from None


def _moment(data: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(data, name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field=f"payload.{name}") from None
    if moment.tzinfo is None or not 2000 <= moment.year <= 2100:
        raise Invalid(field=f"payload.{name}")
    return moment


_TOLD: dict[tuple[str, str], Told] = {
    ("authorisation", "authorised"): Told.ACCEPTED,
    ("authorisation", "requires_action"): Told.PENDING,
    ("authorisation", "declined"): Told.REJECTED,
    ("authorisation", "failed"): Told.REJECTED,
    ("dispute", "opened"): Told.RETURNED,
    ("dispute", "inquiry"): Told.RECALLED,
}
_TOLD_BY_STATUS = {"pending": Told.PENDING, "succeeded": Told.ACCEPTED, "failed": Told.REJECTED}


class Card:
    """The adapter of cards: one processor's API, in every currency it is set up for."""

    name = "card"

    def capabilities(self) -> Capabilities:
        """Return what cards can carry."""
        return Capabilities(
            rail=self.name,
            currencies=frozenset(EXPONENTS),
            amount_max_minor=AMOUNT_MAX_MINOR,
            calendar="ALWAYS",
            collects=True,
        )

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Return what is wrong: an amount out of range, or no token where the card should be."""
        findings = []
        if not 0 < instruction.amount.minor <= AMOUNT_MAX_MINOR:
            findings.append(Finding("amount", "The amount is not one that a card can carry."))
        try:
            check_card_token(str(instruction.options.get("card_token", "")))
        except CardNumberRefused as refusal:
            findings.append(Finding("card_number", refusal.title))
        except Refusal as refusal:
            findings.append(Finding("card_token", refusal.title))
        return findings

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Return that it goes at once, and is paid out by the processor some business days later."""
        today = calendar.on_or_after(now.date())
        return Dates(None, now.date(), calendar.add(today, SETTLES_AFTER_DAYS))

    def build(self, outgoing: Outgoing) -> Built:
        """Write the request for one authorisation. Raises FormatError for any other number of them."""
        if len(outgoing.instructions) != 1:
            raise FormatError("count", "A card is authorised one at a time.")
        (one,) = outgoing.instructions
        request = authorise(
            one.reference,
            one.amount,
            merchant=outgoing.ours.account,
            card_token=str(one.options.get("card_token", "")),
            return_url=str(one.options.get("return_url", "")),
        )
        return Built(request.body, "json", {one.reference: one.reference})

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read one object of the processor's. Raises FormatError for anything else."""
        try:
            told = json.loads(data) if len(data) <= BODY_BYTES_MAX else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise FormatError("json", "This is not an object of a card processor.")
        try:
            word = read_word(told)
        except Invalid as refusal:
            raise FormatError("object", f"The member {refusal.facts['field']} is not right.") from None
        what = _TOLD.get((word.object, word.status)) or _TOLD_BY_STATUS.get(word.status, Told.CHANGED)
        return [
            InboundEvent(
                told=what,
                reference=word.reference or word.id,
                message_id=word.id,
                code=word.code,
                amount=word.amount,
                data={"object": word.object, "status": word.status, "authorisation": word.parent},
            )
        ]

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Return nothing to send: a processor is asked by address (`rails.card.inquire`), not by message."""
        return None

    def classify(self, code: str) -> Classified:
        """Say what a code means; one that nobody knows is a refusal without a reason, worth another card."""
        return CODES.get(code, Classified("declined", Action.OTHER_RAIL))


def retry_at(code: str, since: datetime) -> datetime | None:
    """Say from when the same card may be tried again after a code; None for never as it is."""
    advice = Card().classify(code)
    if advice.action is not Action.RETRY:
        return None
    return since + timedelta(seconds=advice.retry_after_s or 0)
