"""Merkle trees against the vectors of transparency-dev and against a naive reading of RFC 6962."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import merkle

DATA = Path(__file__).resolve().parents[2] / "data" / "merkle"


def cases(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def decoded(value: str | None) -> bytes:
    return base64.b64decode(value or "")


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def nodes_of(leaves: list[bytes]) -> merkle.Node:
    return lambda height, index: naive_root(leaves[index << height : (index + 1) << height])


LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(70)]


@pytest.mark.parametrize("case", cases("inclusion.jsonl"), ids=lambda case: case.get("desc", "")[:60])
def test_inclusion_vectors(case: dict) -> None:
    def check() -> None:
        if len(decoded(case["root"])) != 32 or len(decoded(case["leafHash"])) != 32:
            raise merkle.BadProof("not hashes")
        merkle.verify_inclusion(
            leaf=decoded(case["leafHash"]),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=[decoded(one) for one in case["proof"] or []],
            root=decoded(case["root"]),
        )

    if case["wantErr"]:
        with pytest.raises(merkle.BadProof):
            check()
    else:
        check()


@pytest.mark.parametrize("case", cases("consistency.jsonl"), ids=lambda case: case.get("desc", "")[:60])
def test_consistency_vectors(case: dict) -> None:
    def check() -> None:
        merkle.verify_consistency(
            old=case["size1"],
            new=case["size2"],
            old_root=decoded(case["root1"]),
            new_root=decoded(case["root2"]),
            proof=[decoded(one) for one in case["proof"] or []],
        )

    if case["wantErr"]:
        with pytest.raises(merkle.BadProof):
            check()
    else:
        check()


@pytest.mark.parametrize("size", range(0, 70))
def test_a_frontier_grows_to_the_root_of_its_leaves(size: int) -> None:
    assert merkle.root_of(LEAVES[:size]) == naive_root(LEAVES[:size])


@given(st.data())
def test_every_proof_it_makes_verifies_and_no_other_leaf_passes(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    node, root = nodes_of(LEAVES[:size]), naive_root(LEAVES[:size])
    proof = merkle.inclusion_proof(index, size, node)

    merkle.verify_inclusion(leaf=LEAVES[index], index=index, size=size, proof=proof, root=root)
    with pytest.raises(merkle.BadProof):
        merkle.verify_inclusion(
            leaf=LEAVES[index - 1] if size > 1 else bytes(32), index=index, size=size, proof=proof, root=root
        )


@given(st.integers(1, 70), st.integers(1, 70))
def test_every_consistency_proof_verifies_and_a_rewritten_past_does_not(one: int, other: int) -> None:
    old, new = sorted((one, other))
    old_root, new_root = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
    proof = merkle.consistency_proof(old, new, nodes_of(LEAVES[:new]))

    merkle.verify_consistency(old=old, new=new, old_root=old_root, new_root=new_root, proof=proof)
    with pytest.raises(merkle.BadProof):
        merkle.verify_consistency(old=old, new=new, old_root=bytes(32), new_root=new_root, proof=proof)
