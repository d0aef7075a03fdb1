"""Whatever order a processor's events come in, and however often: the same end, balanced books, no residue."""

import random
from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import card_calls
from apps.payments import public as payments
from tests import factories
from tests.factories import do
from tests.processor import CardWorld, since

TOKENS = ("tok_visa", "tok_pending", "tok_timeout", "tok_late_success", "tok_dispute", "tok_dispute_won")
# Each example is a whole story in the database; without shrinking, a failure is told in seconds.
FEW = settings(max_examples=5, phases=[Phase.explicit, Phase.reuse, Phase.generate])
ZERO = {"receivable": 0, "refunds": 0, "disputes": 0, "clearing_in": 0}


@st.composite
def histories(draw):
    """A card, what the merchant does with it, and the dice of those who tell."""
    return {
        "token": draw(st.sampled_from(TOKENS)),
        "captures": draw(st.lists(st.integers(1, 4_000), min_size=1, max_size=3)),
        "refunds": draw(st.lists(st.integers(1, 3_000), max_size=2)),
        "seed": draw(st.integers(0, 2**16)),
    }


class Story:
    """One merchant, one card payment, the same orders; the events come as the dice have it."""

    def __init__(self, history, *, shuffled):
        self.history, self.world = history, CardWorld()
        self.merchant = factories.merchant(accounts_count=1)
        do(
            payments.SetFeeRule(self.merchant.id, "EUR", self.world.at.date(), flat_minor=5, percent_bp=130),
            at=self.world.at,
        )
        self.dice = random.Random(history["seed"]) if shuffled else None
        self.events = []
        # What other tests left unanswered is answered now, and not in the middle of the story.
        card_calls.drive_due(at=self.world.at + timedelta(days=60))
        self.before = self.world.clearing()

    def live(self):
        world, merchant = self.world, self.merchant
        self.key = world.pay(merchant, self.history["token"], 12_000, capture="manual")
        self.hear()
        for minor in self.history["captures"]:
            self.try_to(lambda minor=minor: world.capture(merchant, self.key, minor))
            self.hear()
        for minor in self.history["refunds"]:
            self.try_to(lambda minor=minor: world.refund(merchant, self.key, minor))
            self.hear()
        for _ in range(3):
            world.pass_time(seconds=70)
            world.drive_due()
            self.hear()
        self.try_to(lambda: world.cancel(merchant, self.key))
        world.pass_time(seconds=70)
        self.hear()
        world.drive_due()
        self.contest()
        world.pass_time(seconds=70)
        self.tell_everything()
        # A dispute that was told of only now is answered only now.
        self.contest()
        world.pass_time(seconds=70)
        self.tell_everything()
        world.settle()
        self.tell_everything()
        world.pass_time(days=3)
        world.drive_due()
        world.drive_due()
        return self

    def contest(self):
        for row in self.world.disputes(self.key):
            command = payments.ContestDispute(self.merchant.id, row.pk, "proof")
            self.try_to(
                lambda command=command: self.world.drive(self.merchant, do(command, at=self.world.at))
            )

    def hear(self):
        """Listen at once, as it comes; or leave it for later, now and then."""
        self.events += self.world.events(self.merchant)
        if self.dice is None:
            self.world.tell_all(self.merchant, self.events)
        elif self.dice.random() < 0.5:
            some = self.dice.sample(self.events, k=self.dice.randint(0, len(self.events)))
            self.world.tell_all(self.merchant, some * self.dice.randint(1, 2), self.dice)

    def tell_everything(self):
        """In the end every event has arrived, and some twice."""
        again = self.events + self.world.events(self.merchant)
        self.world.tell_all(self.merchant, again * (2 if self.dice else 1), self.dice)

    def try_to(self, step):
        """What cannot be done now is not done, in whichever order the words come."""
        try:
            step()
        except Refusal:
            return

    def end(self):
        world = self.world
        return {
            "payment": world.state(self.key),
            "attempts": [row.state for row in world.attempts(self.key)],
            "operations": sorted(
                (row.type, row.amount_minor, row.state) for row in world.operations(self.key)
            ),
            "disputes": [row.state for row in world.disputes(self.key)],
            "merchant": world.of(self.merchant),
        }


class TestHistories:
    @FEW
    @given(history=histories())
    def test_in_order_leave_nothing_open(self, db, history):
        story = Story(history, shuffled=False).live()
        end = story.end()

        assert end["payment"] in ("settled", "cancelled"), end
        assert since(story.before, story.world.clearing()) == ZERO
        assert end["merchant"]["pending"] == 0
        story.world.verify()

    @FEW
    @given(history=histories())
    def test_in_any_order_and_doubled_end_balanced_and_settled(self, db, history):
        story = Story(history, shuffled=True).live()
        end = story.end()

        assert end["payment"] in ("settled", "cancelled"), end
        assert all(state in ("settled", "succeeded", "failed") for _, _, state in end["operations"])
        assert all(state in ("won", "lost") for state in end["disputes"])
        assert since(story.before, story.world.clearing()) == ZERO
        assert end["merchant"]["pending"] == 0
        story.world.verify()

    @FEW
    @given(seed=st.integers(0, 2**16), token=st.sampled_from(["tok_visa", "tok_pending", "tok_dispute_won"]))
    def test_told_at_the_end_in_any_order_the_state_is_that_of_the_sorted_one(self, db, seed, token):
        """The same orders, every event held back until all are there, then told shuffled and doubled."""
        ends = []
        for dice in (None, random.Random(seed)):
            world = CardWorld()
            merchant = factories.merchant(accounts_count=1)
            key = world.pay(merchant, token, 10_000)
            world.pass_time(seconds=70)
            world.drive_due()
            world.pass_time(seconds=70)
            for dispute in [one for one in world.processor.objects.values() if one["status"] == "opened"]:
                if dispute["object"] == "dispute" and dispute["merchant"] == public_id("org", merchant.id):
                    world.processor.decide_dispute(dispute["id"], "lost", at=world.at)
                    world.processor.decide_dispute(dispute["id"], "reversed", at=world.at)
            events = world.events(merchant)
            world.tell_all(merchant, events if dice is None else events * 3, dice)
            ends.append(
                (
                    world.state(key),
                    [row.state for row in world.operations(key)],
                    [row.state for row in world.disputes(key)],
                    world.of(merchant),
                )
            )
            world.verify()

        assert ends[0] == ends[1]


@pytest.mark.usefixtures("db")
class TestTheBooks:
    def test_balance_after_all_that(self):
        with tenancy.scope(tenancy.PLATFORM):
            assert ledger.check().ok

    def test_a_dispute_after_everything_was_spent_is_owed_and_repaid_by_what_comes_back(self):
        world, merchant = CardWorld(), factories.merchant(accounts_count=1)
        key = world.pay(merchant)
        world.pass_time(days=3)
        world.drive_due()
        do(
            payments.CreatePayout(
                merchant.id, merchant.accounts[0], Money(9_000, "EUR"), factories.CreditorFactory()
            )
        )
        (attempt,) = world.attempts(key)
        dispute = world.processor.open_dispute(attempt.external_id, 10_000, at=world.at)
        world.tell_all(merchant)
        owing = world.of(merchant)
        world.processor.decide_dispute(dispute, "won", at=world.at)
        world.tell_all(merchant)

        assert owing["owed"] == -9_000
        assert world.of(merchant) == {"available": 10_000, "pending": 0, "owed": 0}
