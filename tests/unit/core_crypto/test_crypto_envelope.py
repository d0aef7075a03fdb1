"""A sealed value opens in its own place, whole and unaltered, and nowhere else."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.crypto.context import Context, canonical
from apps.core.crypto.envelope import OVERHEAD_SIZE, PLAINTEXT_SIZE_MAX, DataKey, key_id_of
from apps.core.crypto.errors import BadContext, Unreadable
from apps.core.crypto.padding import padded, unpadded
from apps.core.crypto.primitives import cipher

KEY = DataKey(b"key-0001", bytes(range(1, 33)))
PLACE = Context(
    environment="test",
    organisation_id=UUID(int=1),
    purpose="contact",
    table="accounts_party",
    column="email",
    row_id=UUID(int=2),
)


def sealed(plaintext=b"ada@example.com"):
    return KEY.seal(plaintext, associated=PLACE.to_bytes())


class TestEnvelope:
    @given(st.binary(max_size=300), st.binary(max_size=80))
    def test_round_trip_gives_the_plaintext(self, plaintext, associated):
        value = KEY.seal(plaintext, associated=associated)

        assert KEY.open(value, associated=associated) == plaintext
        assert len(value) == len(plaintext) + OVERHEAD_SIZE

    def test_every_flipped_bit_is_refused(self):
        value = sealed()
        for position in range(len(value) * 8):
            altered = bytearray(value)
            altered[position // 8] ^= 1 << position % 8
            with pytest.raises(Unreadable):
                KEY.open(bytes(altered), associated=PLACE.to_bytes())

    def test_every_truncation_and_any_trailing_byte_is_refused(self):
        value = sealed()
        for altered in [value[:length] for length in range(len(value))] + [value + b"\0"]:
            with pytest.raises(Unreadable):
                KEY.open(altered, associated=PLACE.to_bytes())

    @pytest.mark.parametrize("name", [field.name for field in fields(Context)])
    def test_every_other_place_is_refused(self, name):
        other = UUID(int=99) if isinstance(getattr(PLACE, name), UUID) else "other"
        with pytest.raises(Unreadable):
            KEY.open(sealed(), associated=replace(PLACE, **{name: other}).to_bytes())

    def test_another_key_with_the_same_id_is_refused(self):
        twin = DataKey(KEY.key_id, bytes(range(2, 34)))
        with pytest.raises(Unreadable):
            twin.open(sealed(), associated=PLACE.to_bytes())

    def test_nonces_do_not_repeat(self):
        nonces = {sealed()[10:22] for _ in range(20_000)}
        assert len(nonces) == 20_000

    def test_too_long_a_plaintext_is_refused_and_the_longest_is_not(self):
        longest = KEY.seal(bytes(PLAINTEXT_SIZE_MAX), associated=b"x")
        assert KEY.open(longest, associated=b"x") == bytes(PLAINTEXT_SIZE_MAX)
        with pytest.raises(ValueError, match="at most"):
            KEY.seal(bytes(PLAINTEXT_SIZE_MAX + 1), associated=b"x")
        with pytest.raises(Unreadable):
            key_id_of(longest + b"\0")

    @pytest.mark.parametrize("key", [b"", bytes(16), b"k" * 16, b"k" * 31, b"k" * 33, bytes(32)])
    def test_keys_of_other_sizes_and_zeros_are_refused(self, key):
        with pytest.raises(ValueError):
            cipher(key)

    def test_key_cannot_be_printed_or_pickled(self):
        assert repr(KEY) == "<DataKey 6b65792d30303031>"
        with pytest.raises(TypeError):
            pickle.dumps(KEY)


class TestContext:
    def test_no_two_lists_of_parts_share_their_bytes(self):
        assert canonical("v", "ab", "c") != canonical("v", "a", "bc")
        assert canonical("v", "a|b", "c") != canonical("v", "a", "b|c")
        assert canonical("v", "a") != canonical("v", "a", "a")
        assert canonical("va", "b") != canonical("v", "ab")

    @given(
        st.lists(st.text(min_size=1, max_size=20), max_size=6),
        st.lists(st.text(min_size=1, max_size=20), max_size=6),
    )
    def test_equal_bytes_mean_equal_parts(self, left, right):
        assert (canonical("v", *left) == canonical("v", *right)) is (left == right)

    @pytest.mark.parametrize("name", [field.name for field in fields(Context)])
    @pytest.mark.parametrize("value", [None, "", 7])
    def test_missing_or_wrong_part_is_refused(self, name, value):
        with pytest.raises(BadContext):
            replace(PLACE, **{name: value}).to_bytes()

    def test_identifier_given_as_text_is_refused(self):
        with pytest.raises(BadContext):
            replace(PLACE, row_id=str(PLACE.row_id)).to_bytes()

    def test_part_over_the_limit_is_refused(self):
        with pytest.raises(BadContext):
            replace(PLACE, table="t" * 256).to_bytes()


class TestPadding:
    @given(st.text(max_size=200))
    def test_round_trip_gives_the_text(self, text):
        assert unpadded(padded(text)) == text

    def test_lengths_are_few(self):
        sizes = {len(padded("x" * length)) for length in range(200)}
        assert sizes == {16, 32, 64, 128, 192, 256}

    @pytest.mark.parametrize("data", [b"", bytes(16), b"Ada", b"\xff\x80"])
    def test_bytes_that_are_not_padded_text_are_refused(self, data):
        with pytest.raises(Unreadable):
            unpadded(data)
