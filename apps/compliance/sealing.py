"""The sealer of the audit log: gives settled entries their place in a Merkle tree and signs its root.

It works apart from those who write entries, under the role `bezant_sealer`, one at a time, and copies
each signed root to a file outside the database. What is not sealed yet is exposed to an undetected
change by the owner of the table for as long as a seal is late: some seconds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from apps.core import anchors, signing
from apps.core.merkle import EMPTY_ROOT, Frontier

PURPOSE = "audit.checkpoint"
ORIGIN = "bezant/audit"
WINDOW_LENGTH_MAX = 10_000
HASH_SIZE = 32
_LOCK = 7_238_140_155
_START = "00000000-0000-0000-0000-000000000000"

Sealer = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Seal:
    """A signed root: its number, the entries it covers, the root, and the root before it."""

    n: int
    tree_size: int
    root: bytes
    prev_root: bytes
    key_version: int
    signature: bytes


def checkpoint(tree_size: int, root: bytes) -> bytes:
    """Write what is signed: origin, size and root, a line each (the body of a C2SP tlog-checkpoint)."""
    return f"{ORIGIN}\n{tree_size}\n{base64.b64encode(root).decode()}\n".encode()


def anchor_file() -> Path:
    """Name the file outside the database that every signed root is copied to."""
    return Path(
        getattr(settings, "AUDIT_ANCHOR_FILE", Path(settings.VAR_DIR) / "audit" / "checkpoints.jsonl")
    )


def seal_all(sealer: Sealer) -> int:
    """Seal every settled entry and anchor the roots. Returns how many seals were made."""
    made = 0
    while seal_once(sealer) is not None:
        made += 1
    anchor(sealer)
    return made


def seal_once(sealer: Sealer, *, limit: int = WINDOW_LENGTH_MAX) -> Seal | None:
    """Seal the next settled entries. Returns None if there are none, or another sealer is at work."""
    with sealer.transaction():
        if not sealer.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]).fetchall()[0][0]:
            return None
        last = sealer.execute(
            "SELECT n, tree_size, root, frontier, last_xid::text, last_id FROM compliance_seal"
            " ORDER BY n DESC LIMIT 1"
        ).fetchone()
        n, size, prev_root, edge, last_xid, last_id = last or (0, 0, EMPTY_ROOT, b"", "0", _START)
        entries = sealer.execute(
            # Ordered by the number: without its table's name, xid would be the text beside it.
            "SELECT e.id, e.xid::text, e.leaf_hash FROM compliance_auditentry e"
            " WHERE (e.xid, e.id) > (%s::text::xid8, %s) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())"
            " ORDER BY e.xid, e.id LIMIT %s",
            [last_xid, last_id, limit],
        ).fetchall()
        if not entries:
            return None
        frontier = Frontier(size, [bytes(edge[at : at + HASH_SIZE]) for at in range(0, len(edge), HASH_SIZE)])
        for _, _, leaf in entries:
            frontier.append(bytes(leaf))
        _insert_leaves(sealer, size, entries)
        return _insert_seal(sealer, n + 1, frontier, bytes(prev_root), entries[-1])


def anchor(sealer: Sealer) -> int:
    """Append to the file outside the database the roots that it lacks. Returns how many."""

    def find_after(last: int) -> list[dict[str, Any]]:
        with sealer.transaction():
            found = sealer.execute(
                "SELECT n, tree_size, root, key_version, signature FROM compliance_seal WHERE n > %s ORDER BY n",
                [last],
            ).fetchall()
        return [
            {
                "n": n,
                "tree_size": tree_size,
                "root": bytes(root).hex(),
                "key_version": key_version,
                "signature": bytes(signature).hex(),
            }
            for n, tree_size, root, key_version, signature in found
        ]

    return anchors.append_missing(anchor_file(), find_after)


def anchored() -> list[dict[str, Any]]:
    """Read the roots anchored outside the database; a line that a crash cut short is left out."""
    return anchors.read_all(anchor_file())


def _insert_leaves(sealer: Sealer, size: int, entries: list[tuple[Any, ...]]) -> None:
    with sealer.cursor().copy("COPY compliance_sealedleaf (seq, entry_id, leaf_hash) FROM STDIN") as copy:
        for place, (entry_id, _, leaf) in enumerate(entries, start=size):
            copy.write_row((place, entry_id, bytes(leaf)))


def _insert_seal(sealer: Sealer, n: int, frontier: Frontier, prev_root: bytes, last: tuple[Any, ...]) -> Seal:
    root = frontier.root()
    signature = signing.sign(purpose=PURPOSE, message=checkpoint(frontier.size, root))
    seal = Seal(n, frontier.size, root, prev_root, signature.version, signature.value)
    sealer.execute(
        "INSERT INTO compliance_seal"
        " (n, tree_size, root, prev_root, frontier, last_xid, last_id, key_version, signature)"
        " VALUES (%s, %s, %s, %s, %s, %s::text::xid8, %s, %s, %s)",
        [
            n,
            seal.tree_size,
            root,
            prev_root,
            b"".join(frontier.hashes),
            last[1],
            last[0],
            seal.key_version,
            seal.signature,
        ],
    )
    return seal
