"""Merkle trees of RFC 6962 (section 2.1): roots, inclusion and consistency proofs, and their verification.

Leaves and nodes are hashed apart (0x00 and 0x01), so that neither can stand in for the other. A tree is
read through a function from (height, index) to the hash of a complete subtree of 2**height leaves, so
that a log of any length is proven from a few hundred stored hashes. Verification follows RFC 9162, 2.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Node = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree at a height (0: a leaf) and an index among its like."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


class BadProof(Exception):
    """The proof does not prove what it claims."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's data (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """The right edge of a growing tree: complete subtrees from the largest to the smallest.

    `size` leaves are covered by one hash for each bit that is set in it.
    """

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash and return the subtrees it completed, as (height, index, hash)."""
        completed: list[tuple[int, int, bytes]] = []
        height, index, digest = 0, self.size, leaf
        while index & 1:
            digest = node_hash(self.hashes.pop(), digest)
            height, index = height + 1, index >> 1
            completed.append((height, index, digest))
        self.hashes.append(digest)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        digest = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            digest = node_hash(left, digest)
        return digest


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def subtree_root(begin: int, end: int, node: Node) -> bytes:
    """Return the hash of the subtree over leaves begin..end-1, where begin is aligned as RFC 6962 splits."""
    count = end - begin
    if count == 1 << (count.bit_length() - 1) and begin % count == 0:
        return node(count.bit_length() - 1, begin // count)
    split = begin + _split(count)
    return node_hash(subtree_root(begin, split, node), subtree_root(split, end, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return the audit path of a leaf in the tree of a size (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    return _path(index, 0, size, node)


def _path(index: int, begin: int, end: int, node: Node) -> list[bytes]:
    if end - begin == 1:
        return []
    split = begin + _split(end - begin)
    if index < split:
        return [*_path(index, begin, split, node), subtree_root(split, end, node)]
    return [*_path(index, split, end, node), subtree_root(begin, split, node)]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of size `old` is the beginning of that of size `new` (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError("the older tree must be of at least one leaf and no larger than the newer")
    return _subproof(old, 0, new, node, complete=True)


def _subproof(old: int, begin: int, end: int, node: Node, *, complete: bool) -> list[bytes]:
    if old == end:
        return [] if complete else [subtree_root(begin, end, node)]
    split = begin + _split(end - begin)
    if old <= split:
        return [*_subproof(old, begin, split, node, complete=complete), subtree_root(split, end, node)]
    return [*_subproof(old, split, end, node, complete=False), subtree_root(begin, split, node)]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an audit path. Raises BadProof."""
    if not 0 <= index < size:
        raise BadProof("the leaf is not in the tree")
    place, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the path is too long")
        if place & 1 or place == last:
            digest = node_hash(sibling, digest)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("the path is too short")
    if digest != root:
        raise BadProof("the path leads to another root")


def verify_consistency(
    *, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the older tree is the beginning of the newer one. Raises BadProof."""
    if not 0 < old <= new:
        raise BadProof("there is no proof from an empty or larger tree")
    if old == new:
        if proof or old_root != new_root:
            raise BadProof("two trees of one size have one root and need no proof")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise BadProof("the proof is empty")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    if last != 0 or older != old_root or newer != new_root:
        raise BadProof("the proof does not lead to the two roots")


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least two."""
    return 1 << ((count - 1).bit_length() - 1)
