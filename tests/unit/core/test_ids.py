"""Keys in order of time, and public ids that cannot be taken for one another."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import BadId, parse_public_id, public_id, uuid7

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class TestUuid7:
    def test_is_a_version_7_uuid_of_its_moment(self):
        key = uuid7(NOON, bytes(10))

        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert key.int >> 80 == int(NOON.timestamp() * 1000)

    def test_sorts_by_time(self):
        keys = [uuid7(NOON + timedelta(milliseconds=n)) for n in range(50)]

        assert keys == sorted(keys)

    def test_matches_the_example_of_rfc_9562(self):
        moment = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
        entropy = bytes.fromhex("0cc3" + "18c4dc0c0c07398f")

        assert str(uuid7(moment, entropy)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


class TestPublicId:
    @given(st.uuids())
    def test_reads_back_what_it_writes(self, key):
        assert parse_public_id("pay", public_id("pay", key)) == key

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "pay_",
            "acc_00000000000000000000000000",
            "PAY_00000000000000000000000000",
            "pay_0000000000000000000000000",
            "pay_80000000000000000000000000",
            "pay_0000000000000000000000000l",
            "pay_00000000000000000000000000\n",
            "pay_0000000000000000000000000O",
            None,
            7,
            str(UUID(int=0)),
        ],
    )
    def test_refuses_anything_else(self, text):
        with pytest.raises(BadId):
            parse_public_id("pay", text)

    def test_orders_like_the_key(self):
        first, second = uuid7(NOON), uuid7(NOON + timedelta(seconds=1))

        assert public_id("pay", first) < public_id("pay", second)
