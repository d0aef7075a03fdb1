"""Proofs for outsiders, and the verification of the whole sealed log."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any

from apps.core import tenancy
from apps.core.merkle import Frontier, consistency_proof, inclusion_proof, node_hash
from apps.ledger import sealing, verifier
from apps.ledger.errors import UnknownJournal
from apps.ledger.queries import from_json, rows

CHUNK_LEAVES = 100_000


@dataclass
class StoredNodes:
    """Reads subtrees of the log: stored nodes of 256**k leaves, and what lies between them."""

    cache: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __call__(self, height: int, index: int) -> bytes:
        if (height, index) not in self.cache:
            self.cache[height, index] = self._read(height, index)
        return self.cache[height, index]

    def _read(self, height: int, index: int) -> bytes:
        if height % 8:
            return node_hash(self(height - 1, 2 * index), self(height - 1, 2 * index + 1))
        # One read brings the whole tile: its neighbours are asked for next.
        first = index & ~0xFF
        if height == 0:
            found = rows(
                "SELECT leaf_index, hash FROM ledger.seal_leaf WHERE leaf_index BETWEEN %s AND %s",
                [first, first + 255],
            )
        else:
            found = rows(
                "SELECT node_index, hash FROM ledger.merkle_node WHERE level = %s AND node_index BETWEEN %s AND %s",
                [height // 8, first, first + 255],
            )
        self.cache |= {(height, int(at)): bytes(digest) for at, digest in found}
        return self.cache[height, index]


def prove(*, seq: int | None, older_size: int | None = None) -> dict[str, Any]:
    """Return the proof document of a row of the log (by number), and of growth since an older checkpoint.

    Raises UnknownJournal if the row does not exist in the scope, or is not sealed yet.
    """
    checkpoint = rows("SELECT tree_size, note FROM ledger.seal ORDER BY n DESC LIMIT 1")
    if not checkpoint:
        raise UnknownJournal(reason="nothing is sealed yet")
    ((size, note),) = checkpoint
    nodes = StoredNodes()
    document: dict[str, Any] = {
        "format": "bezant-ledger-proof/1",
        "checkpoint": note,
        "keys": sealing.verifier_keys(),
    }
    if seq is not None:
        leaf = _leaf(seq)
        document |= {"leaf": leaf, "inclusion": _texts(inclusion_proof(leaf["index"], size, nodes))}
    if older_size is not None:
        older = rows("SELECT note FROM ledger.seal WHERE tree_size = %s", [older_size])
        if not older:
            raise UnknownJournal(tree_size=older_size)
        document |= {
            "older_checkpoint": older[0][0],
            "consistency": _texts(consistency_proof(older_size, size, nodes)),
        }
    return document


def _leaf(seq: int) -> dict[str, Any]:
    found = rows("SELECT leaf_index, kind FROM ledger.seal_leaf WHERE seq = %s", [seq])
    if not found:
        raise UnknownJournal(seq=seq, reason="not sealed, or not there")
    ((index, kind),) = found
    if kind == 2:
        (event,) = _records("account_event", verifier.EVENT_COLUMNS, seq) or (None,)
        if event is None:
            raise UnknownJournal(seq=seq)
        return {"index": index, "kind": kind, "row": event}
    journals = _records("journal", verifier.JOURNAL_COLUMNS, seq)
    if not journals:
        raise UnknownJournal(seq=seq)
    return {
        "index": index,
        "kind": kind,
        "row": journals[0],
        "postings": _records("posting", verifier.POSTING_COLUMNS, seq),
    }


def _records(table: str, columns: tuple[tuple[str, str], ...], seq: int) -> list[dict[str, Any]]:
    names = ", ".join(f"{name}::text" if kind in ("text", "xid8") else name for name, kind in columns)
    found = rows(f"SELECT {names} FROM ledger.{table} WHERE seq = %s", [seq])
    return [
        {
            name: value if value is None or isinstance(value, (int, str)) else _text(value)
            for (name, _), value in zip(columns, row, strict=True)
        }
        for row in found
    ]


def _text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _texts(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


@dataclass(frozen=True, slots=True)
class LogReport:
    """What a verification of the sealed log found. `faults` name the rows."""

    ok: bool
    leaves: int
    checkpoints: int
    anchored: int
    rows: int
    seconds: float
    faults: list[dict[str, Any]]


def verify_log() -> LogReport:
    """Verify that every sealed row is as it was sealed, that none is missing, and that the roots are signed.

    Compares each leaf with its row, each checkpoint with the leaves before it, each node of the tree, and
    the checkpoints with those anchored outside the database. At most 100 faults are named.
    """
    began = time.monotonic()
    with tenancy.scope(tenancy.PLATFORM):
        rows("SELECT set_config('statement_timeout', '0', true)")
        ((leaves, postings),) = rows(
            "SELECT (SELECT coalesce(max(leaf_index) + 1, 0) FROM ledger.seal_leaf), (SELECT count(*) FROM ledger.posting)"
        )
        faults = _row_faults(leaves)
        faults += [{"seq": seq, "fault": "unsealed"} for (seq,) in rows("SELECT seq FROM ledger.unsealed(5)")]
        checkpoints = rows("SELECT n, tree_size, root, prev_root, note FROM ledger.seal ORDER BY n")
        faults += _tree_faults(leaves, checkpoints)
        outside = sealing.anchored()
        faults += _anchor_faults(outside, {row[0]: row[4] for row in checkpoints})
    seconds = time.monotonic() - began
    return LogReport(
        not faults, leaves, len(checkpoints), len(outside), leaves + postings, round(seconds, 3), faults[:100]
    )


def _row_faults(leaves: int) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    for first in range(0, leaves, CHUNK_LEAVES):
        found = rows(
            "SELECT leaf_index, seq, fault FROM ledger.verify_leaves(%s, %s) ORDER BY seq LIMIT 100",
            [first, min(first + CHUNK_LEAVES, leaves) - 1],
        )
        faults += [{"leaf": leaf, "seq": seq, "fault": fault} for leaf, seq, fault in found]
    return faults


def _tree_faults(leaves: int, checkpoints: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Grow the tree again from the stored leaves and compare roots and nodes on the way."""
    keys = sealing.verifier_keys()
    nodes = {
        (level, index): bytes(h)
        for level, index, h in rows("SELECT level, node_index, hash FROM ledger.merkle_node")
    }
    faults: list[dict[str, Any]] = []
    frontier, waiting, before = Frontier(), list(checkpoints), None
    grown = _leaf_hashes(leaves)
    for n, size, root, prev_root, note in waiting:
        while frontier.size < size:
            digest = next(grown, None)
            if digest is None:
                return [
                    *faults,
                    {"checkpoint": n, "tree_size": size, "fault": "leaves missing", "leaves": frontier.size},
                ]
            faults += [
                {"level": height // 8, "node": index, "fault": "node changed"}
                for height, index, made in frontier.append(digest)
                if height % 8 == 0 and nodes.pop((height // 8, index), None) != made
            ]
        if frontier.root() != bytes(root) or (before and bytes(prev_root or b"") != before):
            faults.append({"checkpoint": n, "tree_size": size, "fault": "root differs"})
        elif (said := _signed(note, keys)) != (size, bytes(root)):
            faults.append(
                {
                    "checkpoint": n,
                    "tree_size": size,
                    "fault": "not signed by the ledger's key" if said is None else "note differs",
                }
            )
        before = bytes(root)
    if next(grown, None) is not None:
        faults.append({"fault": "leaves under no checkpoint", "first_leaf": frontier.size})
    return faults


def _leaf_hashes(leaves: int) -> Any:
    for first in range(0, leaves, CHUNK_LEAVES):
        ((joined,),) = rows(
            "SELECT string_agg(hash, ''::bytea ORDER BY leaf_index) FROM ledger.seal_leaf WHERE leaf_index >= %s AND leaf_index < %s",
            [first, first + CHUNK_LEAVES],
        )
        data = bytes(joined or b"")
        for at in range(0, len(data), 32):
            yield data[at : at + 32]


def _signed(note: str, keys: list[str]) -> tuple[int, bytes] | None:
    for key in keys:
        try:
            checkpoint = verifier.open_checkpoint(note, key)
        except verifier.NotVerified:
            continue
        return checkpoint.size, checkpoint.root
    return None


def _anchor_faults(outside: list[dict[str, Any]], inside: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "checkpoint": entry["n"],
            "tree_size": entry["tree_size"],
            "fault": "anchored, and missing or other in the database",
        }
        for entry in outside
        if inside.get(entry["n"]) != entry["note"]
    ]


def rebuild_report() -> dict[str, Any]:
    """Replay the log into scratch tables, live, and compare every read model with it."""
    ((report,),) = rows("SELECT report FROM ledger.rebuild()")
    return dict(from_json(report))
