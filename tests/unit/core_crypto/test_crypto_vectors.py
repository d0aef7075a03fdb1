"""The operations agree with the published vectors (sources in tests/data/crypto/MANIFEST.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.core.crypto.context import Context
from apps.core.crypto.envelope import DataKey, key_id_of
from apps.core.crypto.errors import Unreadable
from apps.core.crypto.padding import padded, unpadded
from apps.core.crypto.primitives import (
    cipher,
    decrypt,
    encrypt,
    hkdf_sha256,
    hmac_sha256,
    self_test,
)

DATA = Path(__file__).parents[2] / "data" / "crypto"


def wycheproof(name):
    for group in json.loads((DATA / "wycheproof" / name).read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def lines(name):
    return [json.loads(line) for line in (DATA / "nist" / name).read_text().splitlines()]


def opens(*, key, iv, ct, tag, aad):
    try:
        return decrypt(
            cipher(bytes.fromhex(key)),
            nonce=bytes.fromhex(iv),
            ciphertext=bytes.fromhex(ct + tag),
            associated=bytes.fromhex(aad),
        ).hex()
    except (Unreadable, ValueError):
        return None


def test_wycheproof_gcm_is_decided_as_published():
    accepted = refused = 0
    for group, case in wycheproof("aes_gcm_test.json"):
        opened = opens(**{name: case[name] for name in ("key", "iv", "ct", "tag", "aad")})
        ours = (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)
        if ours and case["result"] == "valid":
            assert opened == case["msg"], case["tcId"]
            accepted += 1
        else:
            assert opened is None, case["tcId"]
            refused += 1
    assert (accepted, refused) == (20, 173)


def test_nist_decryption_is_decided_as_published():
    results = {"valid": 0, "invalid": 0}
    for case in lines("gcmDecrypt256_iv96_tag128.jsonl"):
        opened = opens(**{name: case[name] for name in ("key", "iv", "ct", "tag", "aad")})
        assert opened == case.get("pt") if case["result"] == "valid" else opened is None
        results[case["result"]] += 1
    assert sum(results.values()) == 229
    assert min(results.values()) > 0


def test_nist_encryption_gives_the_published_bytes():
    cases = lines("gcmEncryptExtIV256_iv96_tag128.jsonl")
    for case in cases:
        sealed = encrypt(
            cipher(bytes.fromhex(case["key"])),
            nonce=bytes.fromhex(case["iv"]),
            plaintext=bytes.fromhex(case["pt"]),
            associated=bytes.fromhex(case["aad"]),
        )
        assert sealed.hex() == case["ct"] + case["tag"]
    assert len(cases) == 226


def test_wycheproof_hkdf_is_decided_as_published():
    for _, case in wycheproof("hkdf_sha256_test.json"):
        try:
            derived = hkdf_sha256(
                bytes.fromhex(case["ikm"]),
                salt=bytes.fromhex(case["salt"]),
                info=bytes.fromhex(case["info"]),
                size=case["size"],
            ).hex()
        except ValueError:
            derived = None
        assert derived == (case["okm"] if case["result"] == "valid" else None), case["tcId"]


def test_rfc_5869_gives_the_published_bytes():
    fields = {}
    seen = 0
    for line in (DATA / "nist" / "rfc5869-hkdf-sha256.txt").read_text().splitlines():
        name, separator, value = line.partition("=")
        if not separator or line.startswith("#"):
            continue
        fields[name.strip()] = value.strip()
        if name.strip() == "OKM":
            derived = hkdf_sha256(
                bytes.fromhex(fields["IKM"]),
                salt=bytes.fromhex(fields["salt"]),
                info=bytes.fromhex(fields["info"]),
                size=int(fields["L"]),
            )
            assert derived.hex() == fields["OKM"]
            seen += 1
    assert seen == 3


def test_wycheproof_hmac_is_decided_as_published():
    checked = 0
    for group, case in wycheproof("hmac_sha256_test.json"):
        if group["tagSize"] != 256:
            continue
        mac = hmac_sha256(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]))
        assert (mac.hex() == case["tag"]) is (case["result"] == "valid"), case["tcId"]
        checked += 1
    assert checked > 30


def test_start_up_check_passes_on_this_machine():
    self_test()


@pytest.mark.parametrize(
    "case", json.loads((DATA / "golden.json").read_text())["cases"], ids=lambda case: case["name"]
)
class TestGolden:
    def test_context_has_the_recorded_bytes(self, case):
        assert context_of(case).to_bytes().hex() == case["associated"]

    def test_value_opens_to_the_recorded_text(self, case):
        sealed = bytes.fromhex(case["sealed"])
        key = DataKey(key_id_of(sealed), bytes.fromhex(case["key"]))
        assert unpadded(key.open(sealed, associated=context_of(case).to_bytes())) == case["text"]

    def test_same_nonce_gives_the_recorded_bytes(self, case):
        key = DataKey(bytes.fromhex(case["key_id"]), bytes.fromhex(case["key"]))
        sealed = key.seal(
            padded(case["text"]),
            associated=context_of(case).to_bytes(),
            nonce=bytes.fromhex(case["nonce"]),
        )
        assert sealed.hex() == case["sealed"]


def context_of(case):
    from uuid import UUID

    values = dict(case["context"])
    for name in ("organisation_id", "row_id"):
        values[name] = UUID(values[name])
    return Context(**values)
