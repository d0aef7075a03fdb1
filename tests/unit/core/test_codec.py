"""Commands as data: there and back, and nothing that does not fit."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from uuid import UUID

import pytest

from apps.core.codec import canonical_json, digest, from_data, to_data
from apps.core.errors import Invalid
from apps.core.money import Money


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    text: str = ""


@dataclass(frozen=True)
class Everything:
    key: UUID
    amount: Money
    day: date
    at: datetime
    colour: Colour
    items: tuple[Inner, ...]
    maybe: str | None = None
    data: dict[str, object] | None = None


THING = Everything(
    UUID(int=1),
    Money(5, "EUR"),
    date(2026, 1, 2),
    datetime(2026, 1, 2, 3, tzinfo=UTC),
    Colour.RED,
    (Inner("a"), Inner("b")),
    data={"n": 1},
)


class TestRoundTrip:
    def test_gives_back_what_went_in(self):
        assert from_data(Everything, to_data(THING)) == THING

    def test_has_one_text_for_equal_values(self):
        assert canonical_json({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
        assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"key": "no"}, "Everything.key"),
            ({"amount": {"minor": "5", "currency": "EUR"}}, "Everything.amount.minor"),
            ({"amount": {"minor": True, "currency": "EUR"}}, "Everything.amount.minor"),
            ({"day": "2026-13-01"}, "Everything.day"),
            ({"colour": "blue"}, "Everything.colour"),
            ({"items": [{"text": 1}]}, "Everything.items[0].text"),
            ({"items": {}}, "Everything.items"),
            ({"extra": 1}, "Everything.extra"),
        ],
    )
    def test_name_the_place(self, change, field):
        with pytest.raises(Invalid) as refusal:
            from_data(Everything, {**to_data(THING), **change})

        assert refusal.value.facts["field"] == field

    def test_miss_what_is_missing(self):
        with pytest.raises(Invalid):
            from_data(Everything, {"key": str(UUID(int=1))})

    def test_never_tell_a_float(self):
        with pytest.raises(TypeError):
            to_data({"amount": 1.5})


class TestTextThatUtf8CannotSay:
    @pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, [{"deep": "a\ud83d"}]])
    def test_is_refused(self, value):
        with pytest.raises(Invalid):
            canonical_json(value)

    def test_a_whole_pair_is_text(self):
        assert canonical_json("\U0001f600") == '"\U0001f600"'.encode()
