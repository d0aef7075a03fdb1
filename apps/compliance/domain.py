"""The rules of the record: how an audit entry is encoded under its hash, and who may decide a request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.errors import Conflict, Denied

FORMAT = 1
"""Version of the encoding. A new one gets a new number; old entries keep theirs."""

APPROVAL_LIFETIME = timedelta(days=3)
REASON_LENGTH_MAX = 500


def leaf_hash(fields: Sequence[str | None]) -> bytes:
    """Hash an entry's columns, in table order: SHA-256 over 0x00, the format, and each field.

    A field is its length in bytes (four, big-endian) and its UTF-8 text; NULL is the length
    0xFFFFFFFF and nothing. The leading zero is RFC 6962's mark of a leaf. The database computes the
    same in `compliance_leaf_hash`.
    """
    return hashlib.sha256(b"\x00" + bytes([FORMAT]) + b"".join(map(_encoded, fields))).digest()


def _encoded(field: str | None) -> bytes:
    if field is None:
        return b"\xff\xff\xff\xff"
    data = field.encode()
    return len(data).to_bytes(4, "big") + data


class MakerIsChecker(Denied):
    """The one who made a request decides nothing about it."""

    code = "maker_is_checker"
    title = "You made this request; a second person decides about it."


class NotAPerson(Denied):
    """A process of the platform is no second person."""

    code = "checker_is_no_person"
    title = "Only a person can decide about a request."


class AlreadyDecided(Conflict):
    """The request was approved, rejected or has expired before."""

    code = "approval_already_decided"
    title = "This request has been decided already."


class RequestExpired(Conflict):
    """The request waited too long; its maker asks again."""

    code = "approval_expired"
    title = "This request has expired; it has to be made again."


class PayloadChanged(Conflict):
    """What would be done is not what was asked for: its hash differs."""

    code = "approval_payload_changed"
    title = "What was asked for has been changed since; it will not be done."


@dataclass(frozen=True, slots=True)
class Request:
    """What the decision about a request rests on."""

    state: str
    maker_id: str
    expires_at: datetime
    stored_hash: bytes
    payload_hash: bytes


def check_decision(request: Request, *, checker_kind: str, checker_id: str, at: datetime) -> None:
    """Check that this actor may decide this request now.

    Raises NotAPerson, MakerIsChecker, AlreadyDecided, RequestExpired, PayloadChanged.
    """
    if checker_kind == "system":
        raise NotAPerson
    if checker_id == request.maker_id:
        raise MakerIsChecker
    if request.state != "waiting":
        raise AlreadyDecided(state=request.state)
    if at >= request.expires_at:
        raise RequestExpired(expires_at=request.expires_at.isoformat())
    if request.payload_hash != request.stored_hash:
        raise PayloadChanged
