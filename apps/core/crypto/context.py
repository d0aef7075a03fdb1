"""The place a sealed value belongs to, as bytes that no two different places share.

The bytes are the associated data of the encryption (NIST SP 800-38D, 5.2.1): a value moved to another
row, column, organisation or environment does not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.core.crypto.errors import BadContext

_PART_SIZE_MAX = 255


def canonical(label: str, *parts: UUID | str | bytes) -> bytes:
    """Write the label and the parts with their lengths in front, so that no two lists give equal bytes.

    Raises BadContext for a part that is null, empty, over 255 bytes or of another type.
    """
    encoded = [_part(label), bytes([len(parts)])]
    encoded += [_part(part) for part in parts]
    return b"".join(encoded)


def _part(value: UUID | str | bytes) -> bytes:
    if isinstance(value, UUID):
        data = value.bytes
    elif isinstance(value, str):
        data = value.encode()
    elif isinstance(value, bytes):
        data = value
    else:
        raise BadContext(f"a part of a context is a {type(value).__name__}")
    if not 0 < len(data) <= _PART_SIZE_MAX:
        raise BadContext(f"a part of a context has {len(data)} bytes, not 1 to {_PART_SIZE_MAX}")
    return bytes([len(data)]) + data


@dataclass(frozen=True, slots=True)
class Context:
    """Where a value is sealed for: one column of one row of one organisation, for one purpose."""

    environment: str
    organisation_id: UUID
    purpose: str
    table: str
    column: str
    row_id: UUID

    def to_bytes(self) -> bytes:
        """Give the canonical bytes. Raises BadContext if a part is missing or of the wrong type."""
        _require_types(self)
        return canonical(
            "bezant.value.v1",
            self.environment,
            self.organisation_id,
            self.purpose,
            self.table,
            self.column,
            self.row_id,
        )


def _require_types(context: Context) -> None:
    # A UUID given as text would give other bytes than the same UUID read from the database, and a
    # value sealed so would never open again. Better to stop before it is written.
    for name in ("organisation_id", "row_id"):
        if not isinstance(getattr(context, name), UUID):
            raise BadContext(f"{name} of a context is not a UUID")
    for name in ("environment", "purpose", "table", "column"):
        if not isinstance(getattr(context, name), str):
            raise BadContext(f"{name} of a context is not text")
