"""Verify proofs and archives of a Bezant ledger, far from Bezant.

    python verifier.py proof PROOF.json --key VKEY          a row is in the log under a signed checkpoint,
                                                            and the log only grew between two of them
    python verifier.py archive ARCHIVE.csv --proof META.json --key VKEY
                                                            a detached part of the log is unchanged

This one file needs Python 3.11 and the package `cryptography`, nothing else. VKEY is the ledger's
public key as C2SP writes it (name+keyid+base64). Exit status: 0 verified, 1 not verified, 2 cannot be read.

It holds a reading of its own of the formats: the leaf encoding (version 1), the Merkle tree (RFC 6962
with the verification of RFC 9162, 2.1) and the checkpoint (C2SP tlog-checkpoint, signed note).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import csv
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotVerified(Exception):
    """What was to be proven is not proven."""


# ---------------------------------------------------------------- the encoding of a leaf, version 1

JOURNAL_COLUMNS = (
    ("seq", "int8"), ("xid", "xid8"), ("organisation_id", "uuid"), ("key", "uuid"), ("action", "int2"),
    ("kind", "text"), ("effective_date", "date"), ("recorded_at", "timestamptz"), ("actor", "text"),
    ("reference", "text"), ("metadata", "text"), ("rate", "text"), ("reverses_seq", "int8"),
    ("hold_id", "int8"), ("hold_account_id", "int8"), ("hold_delta", "int8"),
)  # fmt: skip
POSTING_COLUMNS = (
    ("seq", "int8"), ("line", "int2"), ("organisation_id", "uuid"), ("debit_id", "int8"),
    ("credit_id", "int8"), ("currency", "text"), ("amount", "int8"), ("debit_version", "int8"),
    ("credit_version", "int8"), ("debit_after", "int8"), ("credit_after", "int8"),
    ("recorded_at", "timestamptz"), ("reverses_line", "int2"),
)  # fmt: skip
EVENT_COLUMNS = (
    ("seq", "int8"), ("xid", "xid8"), ("organisation_id", "uuid"), ("account_id", "int8"), ("kind", "text"),
    ("recorded_at", "timestamptz"), ("actor", "text"), ("facts", "text"),
)  # fmt: skip
_OIDS = {
    "int8": 20, "int2": 21, "text": 25, "date": 1082, "timestamptz": 1184, "uuid": 2950, "xid8": 5069,
}  # fmt: skip
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = date(2000, 1, 1)
Row = dict[str, Any]


def leaf_data(kind: int, row: Row, postings: Sequence[Row] = ()) -> bytes:
    """Encode a row of the log with its postings (format version 1)."""
    if kind == 2:
        return b"\x01\x02" + _record(EVENT_COLUMNS, row)
    lines = sorted(postings, key=lambda posting: int(posting["line"]))
    return (
        b"\x01\x01"
        + _record(JOURNAL_COLUMNS, row)
        + b"".join(_record(POSTING_COLUMNS, line) for line in lines)
    )


def _record(columns: Sequence[tuple[str, str]], row: Row) -> bytes:
    parts = [struct.pack(">i", len(columns))]
    for name, kind in columns:
        value = row[name]
        data = None if value is None or value == "\\N" else _value(kind, value)
        parts.append(struct.pack(">Ii", _OIDS[kind], -1 if data is None else len(data)))
        parts.append(data or b"")
    return b"".join(parts)


def _value(kind: str, value: Any) -> bytes:
    if kind == "text":
        return str(value).encode()
    if kind == "uuid":
        return UUID(str(value)).bytes
    if kind == "date":
        return struct.pack(">i", (date.fromisoformat(str(value)) - _DAY).days)
    if kind == "timestamptz":
        past = datetime.fromisoformat(str(value)) - _EPOCH
        return struct.pack(">q", (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds)
    return struct.pack({"int8": ">q", "int2": ">h", "xid8": ">Q"}[kind], int(value))


# ---------------------------------------------------------------- the tree


def leaf_hash(data: bytes) -> bytes:
    """Hash the data of a leaf (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an audit path leads to."""
    if not 0 <= index < size:
        raise NotVerified("the leaf lies outside the tree")
    here, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotVerified("the audit path is too long")
        if here % 2 == 1 or here == last:
            result = _join(sibling, result)
            while here % 2 == 0 and here != 0:
                here, last = here // 2, last // 2
        else:
            result = _join(result, sibling)
        here, last = here // 2, last // 2
    if last != 0:
        raise NotVerified("the audit path is too short")
    return result


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `old` leaves is the beginning of that of `new` leaves."""
    if not 0 < old <= new:
        raise NotVerified("the older checkpoint must not be empty or larger")
    if old == new:
        if path or old_root != new_root:
            raise NotVerified("two checkpoints of one size differ")
        return
    rest = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not rest:
        raise NotVerified("the consistency proof is empty")
    here, last = old - 1, new - 1
    while here % 2 == 1:
        here, last = here // 2, last // 2
    one = two = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            raise NotVerified("the consistency proof is too long")
        if here % 2 == 1 or here == last:
            one, two = _join(sibling, one), _join(sibling, two)
            while here % 2 == 0 and here != 0:
                here, last = here // 2, last // 2
        else:
            two = _join(two, sibling)
        here, last = here // 2, last // 2
    if last != 0 or one != old_root or two != new_root:
        raise NotVerified("the log was rewritten between the two checkpoints")


# ---------------------------------------------------------------- checkpoints


class Checkpoint(NamedTuple):
    """What a signed note says."""

    origin: str
    size: int
    root: bytes


_VKEY = re.compile(r"(?P<name>[^\s+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)")
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<data>[A-Za-z0-9+/=]+)")


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the four bytes that name a key in a note."""
    return hashlib.sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]


def open_checkpoint(note: str, vkey: str) -> Checkpoint:
    """Read a checkpoint that the key has signed. Raises NotVerified."""
    key = _VKEY.fullmatch(vkey.strip())
    if key is None:
        raise NotVerified("the key is not a verifier key")
    data = base64.b64decode(key["key"])
    if len(data) != 33 or data[0] != 1 or key_id(key["name"], data[1:]).hex() != key["id"]:
        raise NotVerified("the key is not an Ed25519 key, or its id does not fit")
    text, separator, signatures = note.partition("\n\n")
    if not separator:
        raise NotVerified("the checkpoint is not a signed note")
    for line in signatures.splitlines():
        found = _SIGNATURE.fullmatch(line)
        if found is None or found["name"] != key["name"]:
            continue
        signature = base64.b64decode(found["data"])
        if signature[:4].hex() != key["id"]:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(data[1:]).verify(signature[4:], f"{text}\n".encode())
        except InvalidSignature:
            raise NotVerified("the checkpoint's signature is wrong") from None
        return _checkpoint(text)
    raise NotVerified("the checkpoint is not signed with this key")


def _checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 3 or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise NotVerified("the checkpoint has not the lines of one")
    root = base64.b64decode(lines[2])
    if len(root) != 32:
        raise NotVerified("the checkpoint's root is not a hash")
    return Checkpoint(lines[0], int(lines[1]), root)


# ---------------------------------------------------------------- what people call


def verify_proof(proof: dict[str, Any], vkey: str) -> str:
    """Verify a proof document and say what it proves. Raises NotVerified."""
    if proof.get("format") != "bezant-ledger-proof/1":
        raise NotVerified("this is another format of proof")
    checkpoint = open_checkpoint(proof["checkpoint"], vkey)
    said = []
    if leaf := proof.get("leaf"):
        digest = leaf_hash(leaf_data(leaf["kind"], leaf["row"], leaf.get("postings", ())))
        root = root_from_inclusion(digest, leaf["index"], checkpoint.size, _hashes(proof["inclusion"]))
        if root != checkpoint.root:
            raise NotVerified(f"row {leaf['row']['seq']} is not what was sealed as leaf {leaf['index']}")
        said.append(
            f"row {leaf['row']['seq']} is leaf {leaf['index']} of {checkpoint.size} in {checkpoint.origin}"
        )
    if older := proof.get("older_checkpoint"):
        old = open_checkpoint(older, vkey)
        check_consistency(old.size, checkpoint.size, old.root, checkpoint.root, _hashes(proof["consistency"]))
        said.append(f"the log of {old.size} leaves is the beginning of that of {checkpoint.size}")
    if not said:
        raise NotVerified("the document proves nothing")
    return "; ".join(said)


def verify_archive(rows: Iterable[Row], meta: dict[str, Any], vkey: str) -> str:
    """Verify an archived part of the log against its signed checkpoint. Raises NotVerified, naming the row."""
    checkpoint = open_checkpoint(meta["checkpoint"], vkey)
    first, expected = int(meta["first_leaf"]), meta["leaf_hashes"]
    count = 0
    for kind, row, postings in _journals(rows):
        if count >= len(expected) or leaf_hash(leaf_data(kind, row, postings)).hex() != expected[count]:
            raise NotVerified(f"row {row['seq']} is not what was sealed as leaf {first + count}")
        count += 1
    if count != len(expected):
        raise NotVerified(f"{len(expected) - count} rows are missing at the end of the archive")
    root = _range_root(first, [bytes.fromhex(one) for one in expected], checkpoint.size, meta["siblings"])
    if root != checkpoint.root:
        raise NotVerified("the archive's hashes do not lead to the checkpoint's root")
    return f"{count} leaves from {first} are unchanged under a checkpoint of {checkpoint.size} leaves"


def _journals(rows: Iterable[Row]) -> Iterator[tuple[int, Row, list[Row]]]:
    current: tuple[int, Row, list[Row]] | None = None
    for row in rows:
        if row["table"] == "posting":
            if current is None or row["seq"] != current[1]["seq"]:
                raise NotVerified(f"posting {row['seq']}/{row['line']} has no journal before it")
            current[2].append(row)
            continue
        if current is not None:
            yield current
        current = (2 if row["table"] == "account_event" else 1, row, [])
    if current is not None:
        yield current


def _range_root(first: int, hashes: list[bytes], size: int, siblings: dict[str, str]) -> bytes:
    """Return the root of a tree from a run of leaves and the subtrees beside them ("begin-end": hash)."""

    def at(begin: int, end: int) -> bytes:
        if end <= first or begin >= first + len(hashes):
            return bytes.fromhex(siblings[f"{begin}-{end}"])
        if end - begin == 1:
            return hashes[begin - first]
        split = begin + (1 << ((end - begin - 1).bit_length() - 1))
        return _join(at(begin, split), at(split, end))

    return at(0, size)


def _hashes(values: Sequence[str]) -> list[bytes]:
    return [base64.b64decode(value, validate=True) for value in values]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["proof", "archive"])
    parser.add_argument("file")
    parser.add_argument("--proof", help="the description that was written beside an archive")
    parser.add_argument("--key", required=True, help="the ledger's public key: name+keyid+base64")
    given = parser.parse_args(arguments)
    try:
        if given.what == "proof":
            with open(given.file, encoding="utf-8") as file:
                said = verify_proof(json.load(file), given.key)
        else:
            with open(given.proof or f"{given.file}.json", encoding="utf-8") as file:
                meta = json.load(file)
            with open(given.file, encoding="utf-8", newline="") as file:
                said = verify_archive(csv.DictReader(file), meta, given.key)
    except NotVerified as error:
        print(f"NOT VERIFIED: {error}")
        return 1
    except (OSError, ValueError, KeyError, TypeError, binascii.Error, struct.error) as error:
        print(f"cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"verified: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
