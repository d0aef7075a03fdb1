"""Cards as a rail: what is written to a processor, what is read, what its codes mean."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments.domain.calendars import ALWAYS
from apps.payments.formats import FormatError
from apps.payments.rails import adapter, card
from apps.payments.rails.base import Action, Instruction, Outgoing, Party, Told

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
WORD = {
    "object": "authorisation",
    "id": "pi_1",
    "reference": "att_1",
    "status": "authorised",
    "amount": 1_250,
    "currency": "EUR",
}
RAIL = adapter("card")


def instruction(**options):
    shop = Party("Shop", "org_1")
    return Instruction("att_1", Money(1_250, "EUR"), Party("", ""), shop, options=options)


def outgoing(*instructions):
    return Outgoing("m", NOW, NOW.date(), Party("Shop", "org_1"), instructions)


class TestTheRail:
    def test_tells_what_it_carries_and_when(self):
        dates = RAIL.quote_dates(instruction(card_token="tok_x"), NOW, ALWAYS)

        assert RAIL.capabilities().collects and "EUR" in RAIL.capabilities().currencies
        assert (dates.execution, dates.settlement) == (date(2026, 5, 4), date(2026, 5, 6))
        assert RAIL.inquire("att_1", outgoing(), message_id="m", at=NOW) is None

    @pytest.mark.parametrize(
        ("token", "codes"),
        [
            ("tok_x", []),
            ("4111111111111111", ["card_number"]),
            ("", ["card_token"]),
            ("visa", ["card_token"]),
        ],
    )
    def test_takes_tokens_alone(self, token, codes):
        assert [one.code for one in RAIL.validate(instruction(card_token=token))] == codes

    def test_writes_the_same_bytes_for_the_same_order(self):
        one = outgoing(instruction(card_token="tok_x", return_url="https://shop.example"))

        assert RAIL.build(one) == RAIL.build(one)
        assert json.loads(RAIL.build(one).data) == {
            "amount": 1_250,
            "card_token": "tok_x",
            "currency": "EUR",
            "merchant": "org_1",
            "reference": "att_1",
            "return_url": "https://shop.example",
        }
        with pytest.raises(FormatError):
            RAIL.build(outgoing())

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({}, Told.ACCEPTED),
            ({"status": "declined", "code": "51"}, Told.REJECTED),
            ({"status": "requires_action"}, Told.PENDING),
            ({"object": "capture", "status": "succeeded", "authorisation": "pi_1"}, Told.ACCEPTED),
            ({"object": "refund", "status": "failed", "authorisation": "pi_1"}, Told.REJECTED),
            ({"object": "dispute", "status": "opened", "authorisation": "pi_1"}, Told.RETURNED),
            ({"object": "dispute", "status": "won", "authorisation": "pi_1"}, Told.CHANGED),
        ],
    )
    def test_reads_what_it_is_told(self, changes, told):
        (event,) = RAIL.parse_inbound(json.dumps({**WORD, **changes}).encode())

        assert (event.told, event.amount) == (told, Money(1_250, "EUR"))

    @given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
    def test_refuses_whatever_else_in_one_way(self, data):
        with pytest.raises(FormatError):
            RAIL.parse_inbound(data)

    @given(
        st.dictionaries(
            st.sampled_from(card.MEMBERS),
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
                lambda inner: (
                    st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
                ),
                max_leaves=4,
            ),
        )
    )
    def test_reads_no_strange_object_and_fails_in_one_way_only(self, members):
        try:
            word = card.read_word({**WORD, **members})
        except Invalid:
            return
        assert word.amount.minor > 0 and word.status in card.OBJECTS[word.object]

    @pytest.mark.parametrize(
        ("code", "normalised", "action"),
        [
            ("51", "insufficient_funds", Action.RETRY),
            ("insufficient_funds", "insufficient_funds", Action.RETRY),
            ("54", "expired_card", Action.FIX),
            ("1A", "authentication_required", Action.FIX),
            ("43", "stolen_card", Action.STOP),
            ("no_answer", "no_answer", Action.INQUIRE),
            ("never heard of", "declined", Action.OTHER_RAIL),
        ],
    )
    def test_says_what_codes_mean(self, code, normalised, action):
        told = RAIL.classify(code)

        assert (told.code, told.action) == (normalised, action)

    def test_says_when_a_card_may_be_tried_again(self):
        assert card.retry_at("51", NOW) == NOW + timedelta(days=1)
        assert card.retry_at("43", NOW) is None

    def test_every_normalised_code_fits_its_column(self):
        assert all(len(one.code) <= 35 for one in card.CODES.values())


class TestRequests:
    def test_carry_their_reference_as_key_and_quote_foreign_names(self):
        sent = card.capture("opr_1", Money(5, "EUR"), authorisation="pi/../1", final=True)

        assert (sent.method, sent.path, sent.key) == (
            "POST",
            "/v1/authorisations/pi%2F..%2F1/captures",
            "opr_1",
        )
        assert json.loads(sent.body) == {"amount": 5, "currency": "EUR", "final": True, "reference": "opr_1"}
        assert card.inquire("att_1") == card.Request("GET", "/v1/requests/att_1")
        assert card.void("opr_1", Money(5, "EUR"), authorisation="p").path == "/v1/authorisations/p/voids"
        assert card.refund("opr_1", Money(5, "EUR"), authorisation="p").path == "/v1/authorisations/p/refunds"
        assert card.contest("dsp_1", "dp", "text").path == "/v1/disputes/dp/evidence"
        assert card.accept("dsp_1", "dp").path == "/v1/disputes/dp/accept"
