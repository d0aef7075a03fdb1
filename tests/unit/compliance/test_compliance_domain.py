"""The encoding under a leaf hash, and who may decide about a request."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.compliance.domain import (
    AlreadyDecided,
    MakerIsChecker,
    NotAPerson,
    PayloadChanged,
    Request,
    RequestExpired,
    check_decision,
    leaf_hash,
)
from apps.compliance.verification import COLUMNS, hash_of

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "compliance" / "leaf_hashes.json").read_text())[
    "cases"
]
WAITING = Request(
    state="waiting",
    maker_id="usr_ada",
    expires_at=AT + timedelta(days=3),
    stored_hash=b"h",
    payload_hash=b"h",
)


def values_of(entry):
    values = dict(entry)
    for name in ("id", "organisation_id", "command_id"):
        values[name] = UUID(values[name]) if values[name] else None
    for name in ("at", "recorded_at"):
        values[name] = datetime.fromisoformat(values[name])
    return tuple(values[name] for name in COLUMNS)


class TestLeafHash:
    @pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
    def test_entry_has_the_recorded_hash(self, case):
        assert hash_of(values_of(case["entry"])).hex() == case["leaf_hash"]

    texts = st.lists(st.none() | st.text(max_size=5), max_size=4)

    @given(texts, texts)
    def test_equal_hashes_mean_equal_fields(self, left, right):
        assert (leaf_hash(left) == leaf_hash(right)) is (left == right)


class TestDecision:
    def decide(self, request=WAITING, *, kind="staff", checker="usr_bob", at=AT):
        check_decision(request, checker_kind=kind, checker_id=checker, at=at)

    def test_another_person_may_decide(self):
        self.decide()

    def test_maker_may_not(self):
        with pytest.raises(MakerIsChecker):
            self.decide(checker="usr_ada")

    def test_process_may_not(self):
        with pytest.raises(NotAPerson):
            self.decide(kind="system", checker="night_job")

    @pytest.mark.parametrize("state", ["approved", "rejected", "expired"])
    def test_decided_request_is_closed(self, state):
        with pytest.raises(AlreadyDecided) as caught:
            self.decide(replace(WAITING, state=state))
        assert caught.value.facts == {"state": state}

    def test_request_expires_at_the_very_moment(self):
        self.decide(at=WAITING.expires_at - timedelta(microseconds=1))
        with pytest.raises(RequestExpired):
            self.decide(at=WAITING.expires_at)

    def test_changed_payload_is_not_done(self):
        with pytest.raises(PayloadChanged):
            self.decide(replace(WAITING, payload_hash=b"other"))
