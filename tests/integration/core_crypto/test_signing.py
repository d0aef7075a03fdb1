"""Signatures of the platform: one key for each purpose, made once, verifiable for ever."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from apps.core import signing
from apps.core.crypto.errors import Unreadable
from apps.core.crypto.runtime import provider

DATA = Path(__file__).parents[2] / "data" / "crypto" / "wycheproof"


@pytest.fixture
def purpose(db):
    return f"test.{uuid.uuid4()}"


def test_wycheproof_ed25519_is_decided_as_published():
    results = {True: 0, False: 0}
    for group in json.loads((DATA / "ed25519_test.json").read_text())["testGroups"]:
        public_key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            signed = signing.is_signed(
                bytes.fromhex(case["msg"]), signature=bytes.fromhex(case["sig"]), public_key=public_key
            )
            assert signed is (case["result"] == "valid"), case["tcId"]
            results[signed] += 1
    assert min(results.values()) > 20


class TestSigning:
    def test_signature_verifies_for_its_purpose_and_message_only(self, purpose):
        signature = signing.sign(purpose=purpose, message=b"root 1")

        assert signing.verify(purpose=purpose, signature=signature, message=b"root 1")
        assert not signing.verify(purpose=purpose, signature=signature, message=b"root 2")
        other = f"{purpose}-other"
        signing.sign(purpose=other, message=b"root 1")
        assert not signing.verify(purpose=other, signature=signature, message=b"root 1")

    def test_altered_signature_is_refused(self, purpose):
        signature = signing.sign(purpose=purpose, message=b"root")
        for position in range(64):
            value = bytearray(signature.value)
            value[position] ^= 1
            altered = signing.Signature(signature.version, bytes(value))
            assert not signing.verify(purpose=purpose, signature=altered, message=b"root")

    def test_first_use_by_many_at_once_makes_one_key(self, purpose, in_threads):
        signatures = in_threads(lambda n: signing.sign(purpose=purpose, message=b"%d" % n), range(12))

        assert len(signing.public_keys(purpose)) == 1
        for number, signature in enumerate(signatures):
            assert signing.verify(purpose=purpose, signature=signature, message=b"%d" % number)

    def test_old_signatures_verify_after_rotation(self, purpose):
        before = signing.sign(purpose=purpose, message=b"root")
        assert signing.rotate(purpose) == 2
        after = signing.sign(purpose=purpose, message=b"root")

        assert (before.version, after.version) == (1, 2)
        assert all(signing.verify(purpose=purpose, signature=one, message=b"root") for one in (before, after))
        unknown = signing.Signature(3, after.value)
        assert not signing.verify(purpose=purpose, signature=unknown, message=b"root")

    def test_rewrapped_key_signs_on(self, purpose):
        before = signing.sign(purpose=purpose, message=b"root")
        provider().rotate()
        assert signing.rewrap(purpose=purpose, version=1)
        signing._signers.clear()
        assert signing.sign(purpose=purpose, message=b"root") == before

    def test_key_of_another_purpose_put_in_its_place_is_refused(self, purpose, owner_sql):
        other = f"{purpose}-other"
        signing.sign(purpose=purpose, message=b"root")
        signing.sign(purpose=other, message=b"root")
        ((own,),) = owner_sql("SELECT wrapped FROM core_signingkey WHERE purpose = %s", [purpose])
        owner_sql(
            "UPDATE core_signingkey SET wrapped = (SELECT wrapped FROM core_signingkey WHERE purpose = %s)"
            " WHERE purpose = %s",
            [other, purpose],
        )
        signing._signers.clear()
        with pytest.raises(Unreadable):
            signing.sign(purpose=purpose, message=b"root")
        owner_sql("UPDATE core_signingkey SET wrapped = %s WHERE purpose = %s", [own, purpose])

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM core_signingkey WHERE purpose = %s",
            "UPDATE core_signingkey SET public_key = 'x' WHERE purpose = %s",
            "UPDATE core_signingkey SET version = 9 WHERE purpose = %s",
        ],
    )
    def test_nobody_removes_or_changes_what_verifies(self, purpose, owner_sql, statement):
        signing.sign(purpose=purpose, message=b"root")
        with pytest.raises(Exception, match="verifiable"):
            owner_sql(statement, [purpose])

    @pytest.mark.parametrize("name", ["", "plain", "Upper.case", "a.b c", "a." + "b" * 63])
    def test_purpose_that_is_no_dotted_word_is_refused(self, db, name):
        with pytest.raises(ValueError, match="purpose"):
            signing.sign(purpose=name, message=b"root")
