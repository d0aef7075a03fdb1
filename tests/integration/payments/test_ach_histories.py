"""Histories of ACH payments told in any order and more than once end as the sorted ones, and the books balance."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.errors import Refusal
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.books import reserve_of
from apps.payments.due import finalise_due
from apps.payments.formats.nacha import contest_entry, dishonour_entry
from apps.payments.models_ach import ReturnDispute
from tests import factories
from tests.integration.payments import us_bank
from tests.integration.payments.test_ach_returns import (
    answer_file,
    change,
    clearing,
    come_back,
    newest,
    returned,
    settle,
    take,
    trace,
)
from tests.integration.payments.us_bank import export, merchant, payout, stored

SENT = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
AFTER = datetime(2026, 12, 20, 12, 0, tzinfo=UTC)

PAYOUT = ["settle", "told back", "shown back", "changed", "dishonoured", "contested"]
DEBIT = ["settle", "finalise", "told back", "shown back", "changed"]


class Teller:
    """Tells of one payment what the bank, its operator and the clock would."""

    def __init__(self, answer):
        self.answer = answer
        self.back = returned(answer, "R03")
        self.dishonour = dishonour_entry(self.back, code="R61", trace=trace())

    def tell(self, what):
        """Tell it; what is shown before its time is shown again by the next run."""
        try:
            getattr(self, f"_{what.replace(' ', '_')}")()
        except Refusal as refusal:
            if refusal.code != "not_settled_yet":
                raise
            return False
        return True

    def _settle(self):
        settle(self.answer)

    def _told_back(self):
        take(answer_file(self.back))

    def _shown_back(self):
        come_back(self.answer)

    def _changed(self):
        take(answer_file(change(self.answer, "C01", account="98765"), sec_code="COR"))

    def _dishonoured(self):
        take(answer_file(self.dishonour))

    def _contested(self):
        take(answer_file(contest_entry(self.dishonour, code="R71", trace=trace())))

    def _finalise(self):
        finalise_due(actor=factories.SYSTEM, at=AFTER)


def live(order, told):
    """Tell a new payment all of it, then what is still open once more; give where all of it ends."""
    bank = us_bank.open_us_bank()
    one = merchant(funded_minor=10_000 if order is payout else 0)
    answer = payout(one) if order is payout else us_bank.collected(one, 2_500, "", at=SENT)
    with TemporaryDirectory() as folder:
        export(Path(folder), at=SENT)
    teller = Teller(answer)
    waiting = [what for what in told if not teller.tell(what)]
    for what in waiting:
        assert teller.tell(what)
    with tenancy.scope(tenancy.PLATFORM):
        row = stored(answer)
        assert payments.verify(payments.payments().filter(pk=row.pk)) == (1, [])
        dispute = ReturnDispute.objects.filter(payment_id=row.pk).first()
        account = accounts.payment_account(one.accounts[0])
        reserve = ledger.balance(reserve_of(account)).posted if order is not payout else 0
    return {
        "state": row.state,
        "money": one.balance().posted + reserve,
        "clearing": clearing(bank)[:2],
        "account": newest(answer).account.reveal(),
        "dispute": dispute.state if dispute else None,
    }


def shuffled(story):
    """Draw the story in any order, each part once at least and three times at most."""
    return st.lists(st.sampled_from(story), max_size=4).flatmap(lambda more: st.permutations([*story, *more]))


class TestInAnyOrder:
    @given(shuffled(PAYOUT))
    @settings(max_examples=3, deadline=None)
    def test_a_payout_ends_as_told_in_order(self, db, told):
        assert live(payout, told) == {
            "state": "returned",
            "money": 10_000,
            "clearing": [0, 0],
            "account": "98765",
            "dispute": "contested",
        }

    @given(shuffled(DEBIT))
    @settings(max_examples=3, deadline=None)
    def test_a_debit_ends_with_nobodys_money(self, db, told):
        end = live(us_bank.collected, told)

        assert (end["state"], end["money"], end["clearing"]) == ("returned", 0, [0, 0])
