"""Proving the record: every hash, every place, every root and every signature is computed again.

Nothing here trusts what the database computed. The rows come through a function, so that the same
verification runs on the live database, on a replica, or on a restored backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.compliance.domain import leaf_hash
from apps.compliance.sealing import PURPOSE, Seal, checkpoint
from apps.core.merkle import EMPTY_ROOT, Frontier
from apps.core.signing import PublicKey, is_signed

COLUMNS = (
    "id",
    "xid",
    "organisation_id",
    "actor_kind",
    "actor_id",
    "action",
    "outcome",
    "reason",
    "object_type",
    "object_id",
    "command_id",
    "correlation_id",
    "data",
    "at",
    "recorded_at",
)
"""What a leaf hash covers, in table order: everything but the hash itself."""

NAMED_MAX = 20
"""How many of each kind of finding are named; all are counted."""

Rows = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SELECTED = ", ".join("e.xid::text" if name == "xid" else f"e.{name}" for name in COLUMNS)


@dataclass
class Findings:
    """What a verification found. Each list names the first few; `counts` has the numbers of all."""

    entries: int = 0
    sealed: int = 0
    seals: int = 0
    oldest_unsealed_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, what: object) -> None:
        """Count a finding, and name it if there is room."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= NAMED_MAX:
            self.named.setdefault(kind, []).append(str(what))

    @property
    def ok(self) -> bool:
        """Tell whether nothing was found."""
        return not self.counts


def hash_of(values: Sequence[Any]) -> bytes:
    """Compute the leaf hash of an entry's columns, in the order of COLUMNS."""
    return leaf_hash([_text(value) for value in values])


def verify(rows: Rows, *, keys: Sequence[PublicKey], anchors: Sequence[dict[str, Any]]) -> Findings:
    """Verify all that the rows show: entries, tree, seals, and the anchors kept outside.

    Findings: `altered` entry, `missing` entry, `misplaced` leaf, `behind_seal` (an entry that appeared
    behind a seal), `bad_root`, `bad_signature`, `bad_anchor`.
    """
    findings = Findings()
    seals = _seals(rows)
    _verify_tree(rows, seals, findings)
    _verify_seals(seals, keys, findings)
    _verify_unsealed(rows, findings)
    _verify_anchors(seals, anchors, findings)
    return findings


def _seals(rows: Rows) -> list[Seal]:
    found = rows(
        "SELECT n, tree_size, root, prev_root, key_version, signature FROM compliance_seal ORDER BY n", []
    )
    return [
        Seal(n, size, bytes(root), bytes(prev), version, bytes(signature))
        for n, size, root, prev, version, signature in found
    ]


def _verify_tree(rows: Rows, seals: list[Seal], findings: Findings) -> None:
    """Hash every sealed entry anew, grow the tree of these hashes, and compare it at each seal."""
    by_size: dict[int, Seal] = {seal.tree_size: seal for seal in seals}
    frontier = Frontier()
    for seq, kept, computed, entry_id in _leaves(rows):
        if seq != findings.sealed:
            findings.add("misplaced", seq)
        findings.sealed += 1
        if computed is None:
            findings.add("missing", entry_id)
        elif computed != kept:
            findings.add("altered", entry_id)
        frontier.append(kept)
        seal = by_size.pop(frontier.size, None)
        if seal is not None and seal.root != frontier.root():
            findings.add("bad_root", seal.n)
    for seal in by_size.values():
        findings.add("bad_root", seal.n)
    if seals and frontier.size != seals[-1].tree_size:
        findings.add("misplaced", f"{frontier.size} leaves under {seals[-1].tree_size} sealed ones")


def _leaves(rows: Rows) -> Iterator[tuple[int, bytes, bytes | None, Any]]:
    found = rows(
        f"SELECT l.seq, l.leaf_hash, l.entry_id, e.leaf_hash, {_SELECTED} FROM compliance_sealedleaf l"
        " LEFT JOIN compliance_auditentry e ON e.id = l.entry_id ORDER BY l.seq",
        [],
    )
    for seq, kept, entry_id, stored, *values in found:
        computed = None if stored is None else hash_of(values)
        # An entry whose own hash was changed with nothing else is an altered one as well.
        if computed is not None and bytes(stored) != computed:
            computed = b""
        yield seq, bytes(kept), computed, entry_id


def _verify_seals(seals: list[Seal], keys: Sequence[PublicKey], findings: Findings) -> None:
    public = {key.version: key.value for key in keys if key.purpose == PURPOSE}
    previous = EMPTY_ROOT
    for number, seal in enumerate(seals, start=1):
        findings.seals += 1
        if seal.n != number or seal.prev_root != previous:
            findings.add("bad_root", seal.n)
        previous = seal.root
        key = public.get(seal.key_version, b"")
        message = checkpoint(seal.tree_size, seal.root)
        if not is_signed(message, signature=seal.signature, public_key=key):
            findings.add("bad_signature", seal.n)


def _verify_unsealed(rows: Rows, findings: Findings) -> None:
    """Check the entries that no seal covers yet, and find those that came to lie behind one."""
    found = rows(
        f"SELECT s.n IS NOT NULL AND (e.xid, e.id) <= (s.last_xid, s.last_id), e.leaf_hash, {_SELECTED}"
        " FROM compliance_auditentry e"
        " LEFT JOIN (SELECT n, last_xid, last_id FROM compliance_seal ORDER BY n DESC LIMIT 1) s ON true"
        " WHERE NOT EXISTS (SELECT FROM compliance_sealedleaf l WHERE l.entry_id = e.id)",
        [],
    )
    findings.entries = findings.sealed - findings.counts.get("missing", 0)
    for behind, stored, *values in found:
        findings.entries += 1
        if behind:
            findings.add("behind_seal", values[0])
        if hash_of(values) != bytes(stored):
            findings.add("altered", values[0])
        recorded_at = values[-1]
        if findings.oldest_unsealed_at is None or recorded_at < findings.oldest_unsealed_at:
            findings.oldest_unsealed_at = recorded_at


def _verify_anchors(seals: list[Seal], anchors: Sequence[dict[str, Any]], findings: Findings) -> None:
    """Compare the seals with what was written down outside of the database when they were made."""
    known = {seal.n: (seal.tree_size, seal.root.hex()) for seal in seals}
    for line in anchors:
        if known.get(line["n"]) != (line.get("tree_size"), line.get("root")):
            findings.add("bad_anchor", line["n"])


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    return str(value)
