"""JSON that readers could disagree about is no JSON of ours."""

from io import BytesIO

import pytest
from rest_framework.exceptions import ParseError

from apps.core.http.parsers import BODY_MAX_BYTES, BodyTooLarge, StrictJsonParser


def parse(body: bytes):
    return StrictJsonParser().parse(BytesIO(body))


class TestStrictJsonParser:
    def test_reads_json(self):
        assert parse('{"a": ["ü", 1, null, {"b": "]}"}]}'.encode()) == {"a": ["ü", 1, None, {"b": "]}"}]}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b'{"a": 1, "a": 2}',
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"a": "\\u0000"}',
            b'{"\\u0000": 1}',
            b'{"a": "\\ud800"}',
            b"\xef\xbb\xbf{}",
            b"\xff",
            b"[" * 21 + b"]" * 21,
            b"[" * 100_000,
            b'{"a":' * 40_000,
            b"{} {}",
            b"{'a': 1}",
            b'{"a": 01}',
        ],
    )
    def test_refuses(self, body):
        with pytest.raises(ParseError):
            parse(body)

    def test_refuses_a_body_over_the_limit(self):
        with pytest.raises(BodyTooLarge):
            parse(b'"' + b"a" * BODY_MAX_BYTES + b'"')
