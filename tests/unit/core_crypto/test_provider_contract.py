"""What every key provider must do. A new provider adds a maker to MAKERS and passes everything here.

The second provider is what a hardware module offers instead of AES-GCM: AES key wrap with padding
(RFC 5649) under a key derived for the context. It shows that the contract does not ask for the
associated data of one algorithm.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from apps.core.crypto.errors import KeysUnavailable, Unreadable
from apps.core.crypto.local_file import LocalFileProvider
from apps.core.crypto.primitives import hkdf_sha256, hmac_sha256
from apps.core.crypto.providers import ProviderStatus, Wrapped

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = bytes(range(32))


class KeyWrapProvider:
    """Keys in memory, wrapped by AES-KWP under a key derived for each context."""

    def __init__(self):
        self._secrets = [os.urandom(32)]
        self._mac_key = os.urandom(32)

    def wrap(self, key, *, context):
        version = self.current_version()
        return Wrapped(aes_key_wrap_with_padding(self._derived(version, context), key), version)

    def unwrap(self, wrapped, *, context):
        if not 1 <= wrapped.version <= len(self._secrets):
            raise Unreadable("unknown version")
        try:
            return aes_key_unwrap_with_padding(self._derived(wrapped.version, context), wrapped.blob)
        except InvalidUnwrap:
            raise Unreadable("does not unwrap") from None

    def mac(self, message):
        return hmac_sha256(self._mac_key, message)

    def current_version(self):
        return len(self._secrets)

    def rotate(self):
        self._secrets.append(os.urandom(32))
        return self.current_version()

    def status(self):
        return ProviderStatus(ok=True, detail="in memory")

    def describe(self):
        return {"kind": "key_wrap", "versions": [{"version": self.current_version()}]}

    def _derived(self, version, context):
        return hkdf_sha256(self._secrets[version - 1], salt=b"", info=context, size=32)


MAKERS = {
    "local_file": lambda folder: LocalFileProvider.create(folder / "keys.json", at=AT),
    "key_wrap": lambda folder: KeyWrapProvider(),
}


@pytest.fixture(params=sorted(MAKERS))
def make(request, tmp_path):
    def maker(name="first"):
        return MAKERS[request.param](tmp_path / name)

    return maker


@pytest.fixture
def provider(make):
    return make()


class TestWrapping:
    def test_unwrap_gives_the_key_back(self, provider):
        wrapped = provider.wrap(KEY, context=b"place")
        assert provider.unwrap(wrapped, context=b"place") == KEY
        assert wrapped.version == provider.current_version()

    def test_wrapped_key_does_not_show_the_key(self, provider):
        wrapped = provider.wrap(KEY, context=b"place")
        assert KEY not in wrapped.blob
        assert wrapped.blob.hex() not in repr(wrapped)

    def test_another_context_is_refused(self, provider):
        wrapped = provider.wrap(KEY, context=b"place")
        with pytest.raises(Unreadable):
            provider.unwrap(wrapped, context=b"elsewhere")

    def test_every_altered_byte_and_truncation_is_refused(self, provider):
        wrapped = provider.wrap(KEY, context=b"place")
        altered = [wrapped.blob[:size] for size in range(len(wrapped.blob))]
        for position in range(len(wrapped.blob)):
            flipped = bytearray(wrapped.blob)
            flipped[position] ^= 0x01
            altered.append(bytes(flipped))
        for blob in altered:
            with pytest.raises(Unreadable):
                provider.unwrap(replace(wrapped, blob=blob), context=b"place")

    def test_key_of_another_keeper_is_refused(self, make):
        wrapped = make("first").wrap(KEY, context=b"place")
        with pytest.raises(Unreadable):
            make("second").unwrap(wrapped, context=b"place")


class TestMac:
    def test_depends_on_the_message_and_the_keeper_only(self, make):
        first, second = make("first"), make("second")
        assert first.mac(b"a") == first.mac(b"a")
        assert len({first.mac(b"a"), first.mac(b"b"), second.mac(b"a")}) == 3
        assert len(first.mac(b"a")) == 32


class TestRotation:
    def test_old_versions_go_on_unwrapping(self, provider):
        before = provider.wrap(KEY, context=b"place")
        version = provider.rotate()
        after = provider.wrap(KEY, context=b"place")

        assert version == before.version + 1 == after.version == provider.current_version()
        assert provider.unwrap(before, context=b"place") == KEY
        assert provider.unwrap(after, context=b"place") == KEY

    def test_mac_stays_the_same(self, provider):
        before = provider.mac(b"a")
        provider.rotate()
        assert provider.mac(b"a") == before


class TestTelling:
    def test_status_is_well(self, provider):
        assert provider.status().ok

    def test_description_names_kind_and_versions(self, provider):
        description = provider.describe()
        assert description["kind"]
        assert description["versions"][-1]["version"] == 1


def test_threads_may_share_a_provider(provider):
    failures = []

    def work():
        try:
            for number in range(50):
                context = b"place-%d" % number
                assert provider.unwrap(provider.wrap(KEY, context=context), context=context) == KEY
        except (AssertionError, Unreadable, KeysUnavailable) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_child_after_a_fork_uses_the_same_keys(provider):
    wrapped = provider.wrap(KEY, context=b"place")
    child = os.fork()
    if child == 0:
        os._exit(0 if provider.unwrap(wrapped, context=b"place") == KEY else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
