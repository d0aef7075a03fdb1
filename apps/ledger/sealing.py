"""The sealer: gives the settled log dense leaf numbers, grows the tree, signs checkpoints, anchors them.

It works off the path of postings, under a database role of its own (`bezant_sealer`), one at a time.
What is not sealed yet is exposed to an undetected change for as long as a seal is late: about a second.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from apps.core import anchors, signing
from apps.core.merkle import Frontier
from apps.ledger import verifier

PURPOSE = "ledger.checkpoint"
WINDOW_LEAVES_MAX = 20_000
_TILE_HEIGHT = 8
HASH = 32


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint that was made: its number, the size of the tree, the root, the signed note."""

    n: int
    tree_size: int
    root: bytes
    note: str


def origin() -> str:
    """Return the log's name in its checkpoints."""
    return str(getattr(settings, "LEDGER_ORIGIN", "bezant/ledger"))


def anchor_file() -> Path:
    """Return the file outside the database that every checkpoint is written to."""
    return Path(
        getattr(settings, "LEDGER_ANCHOR_FILE", Path(settings.VAR_DIR) / "ledger" / "checkpoints.jsonl")
    )


def seal_once(sealer: psycopg.Connection[tuple[Any, ...]], *, limit: int = WINDOW_LEAVES_MAX) -> Seal | None:
    """Seal one window of the settled log. Returns None when there was nothing, or another sealer is at it."""
    with sealer.transaction():
        found, _first, to_seq, hashes, edge, prev_root, n = (
            sealer.execute(
                "SELECT rows_found, first_leaf, to_seq, hashes, frontier, prev_root, next_n FROM ledger.seal_window(%s)",
                [limit],
            ).fetchone()
            or (None,) * 7
        )
        if not found:
            return None
        frontier = _frontier(_first, edge)
        nodes = _grow(frontier, hashes)
        root = frontier.root()
        note = sign_checkpoint(frontier.size, root)
        sealer.execute(
            "SELECT ledger.seal_close(%s, %s, %s, %s, %s, %s, %s, %s::smallint[], %s::bigint[], %s::bytea[])",
            [
                n, frontier.size, root, prev_root, to_seq, b"".join(frontier.hashes), note,
                [level for level, _, _ in nodes], [index for _, index, _ in nodes], [digest for _, _, digest in nodes],
            ],
        )  # fmt: skip
    return Seal(n, frontier.size, root, note)


def seal_all(sealer: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Seal everything that is settled and anchor it. Returns how many checkpoints were made."""
    made = 0
    # A second empty look settles what was pending at the first.
    idle = 0
    while idle < 2:
        if seal_once(sealer) is None:
            idle += 1
        else:
            made, idle = made + 1, 0
    anchor(sealer)
    return made


def sign_checkpoint(size: int, root: bytes) -> str:
    """Write and sign a checkpoint (C2SP tlog-checkpoint: origin, size, root; a signed note)."""
    text = f"{origin()}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = signing.sign(purpose=PURPOSE, message=text.encode())
    key = next(k for k in signing.public_keys(PURPOSE) if k.version == signature.version)
    signed = verifier.key_id(origin(), key.value) + signature.value
    return f"{text}\n— {origin()} {base64.b64encode(signed).decode()}\n"


def verifier_keys() -> list[str]:
    """Return the public keys as C2SP writes them, oldest first: what outsiders verify with."""
    return [
        f"{origin()}+{verifier.key_id(origin(), key.value).hex()}+{base64.b64encode(bytes([1]) + key.value).decode()}"
        for key in signing.public_keys(PURPOSE)
    ]


def anchor(sealer: psycopg.Connection[tuple[Any, ...]]) -> int:
    """Append the checkpoints that the file outside the database does not have yet. Returns how many."""

    def find_after(last: int) -> list[dict[str, Any]]:
        with sealer.transaction():
            found = sealer.execute(
                "SELECT n, tree_size, note FROM ledger.seal WHERE n > %s ORDER BY n", [last]
            ).fetchall()
        return [{"n": n, "tree_size": size, "note": note} for n, size, note in found]

    return anchors.append_missing(anchor_file(), find_after)


def anchored() -> list[dict[str, Any]]:
    """Read the checkpoints anchored outside the database, oldest first."""
    return anchors.read_all(anchor_file())


def _frontier(size: int, edge: bytes) -> Frontier:
    return Frontier(size, [bytes(edge[at : at + HASH]) for at in range(0, len(edge), HASH)])


def _grow(frontier: Frontier, hashes: bytes) -> list[tuple[int, int, bytes]]:
    """Append leaves; return the nodes to keep: complete subtrees of 256, 256**2 … leaves."""
    kept = []
    for at in range(0, len(hashes), HASH):
        for height, index, digest in frontier.append(hashes[at : at + HASH]):
            if height % _TILE_HEIGHT == 0:
                kept.append((height // _TILE_HEIGHT, index, digest))
    return kept
