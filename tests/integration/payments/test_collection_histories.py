"""Histories of collections told in any order and more than once end as the sorted ones, and the books balance."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.domain.lifecycle import MACHINES, Kind
from tests.factories import SYSTEM
from tests.integration.payments.collecting import (
    AT,
    clearing,
    collection,
    collector,
    on,
    payment,
    report,
    return_of,
    verified,
)

STORIES = {
    "rejected": ["accept", "reject"],
    "final": ["accept", "settle", "finalise"],
    "returned": ["accept", "settle", "told back", "shown back"],
    "returned late": ["accept", "settle", "finalise", "told back", "shown back"],
}


class Teller:
    """Tells one collection what a bank and the clock would."""

    def __init__(self, merchant, key):
        self.merchant, self.key = merchant, key
        self.after = collection(key).presented_for + timedelta(days=60)

    def tell(self, what):
        """Tell it; what the bank shows before its time is shown again by the next run."""
        try:
            getattr(self, f"_{what.replace(' ', '_')}")()
        except Refusal as refusal:
            if refusal.code not in ("not_settled_yet", "duplicate_file"):
                raise
            return False
        return True

    def _status(self, status, code):
        row = payment(self.key)
        data = report(row.batch_message_id, [(row.end_to_end_id, status, code)], status="PART")
        payments.import_status_file(data, file_name="s.xml", actor=SYSTEM, at=AT)

    def _accept(self):
        self._status("ACSP", "")

    def _reject(self):
        self._status("RJCT", "AM04")

    def _settle(self):
        self.merchant.settle(self.key)

    def _finalise(self):
        payments.finalise_due(actor=SYSTEM, at=on(self.after))

    def _told_back(self):
        self.merchant.tells_return(self.key, "MD06")

    def _shown_back(self):
        self.merchant.shows_return(self.key, "MD06", day=self.after + timedelta(days=1))


def live(told):
    """Tell a new collection all of it; give where it and its merchant's money end."""
    merchant = collector()
    key = merchant.collect(merchant.mandate())
    with TemporaryDirectory() as folder:
        merchant.send(key, Path(folder))
    before = clearing()
    teller = Teller(merchant, key)
    again = [what for what in told if not teller.tell(what)]
    assert all(teller.tell(what) for what in again)
    back = return_of(key)
    moved = tuple(after - start for after, start in zip(clearing(), before, strict=True))
    return (
        payment(key).state,
        back.state if back else None,
        merchant.balance(),
        merchant.beside("reserve"),
        merchant.beside("claim"),
        moved,
    )


@settings(max_examples=8)
@given(st.sampled_from(sorted(STORIES)), st.data())
def test_any_order_ends_as_the_sorted_one(db, name, data):
    story = STORIES[name]
    repeated = data.draw(st.lists(st.sampled_from(story), max_size=2))
    told = list(data.draw(st.permutations([*story, *repeated])))
    if "finalise" in told:  # the clock looks again and again
        told.append("finalise")

    assert live(told) == live(story)
    assert verified() == []
    with tenancy.scope(tenancy.PLATFORM):
        assert ledger.check().ok


def test_every_transition_of_the_table_happens(db):
    for story in STORIES.values():
        live(story)
    live(["settle"])
    merchant = collector(approval_above_minor=0)
    ordered, declined, cancelled = (merchant.collect(merchant.mandate()) for _ in range(3))
    approver = merchant.inner.client("payments.approve", name="second")
    from tests.factories import do

    do(payments.ApprovePayment(merchant.id, ordered), actor=approver)
    do(payments.CancelCollection(merchant.id, ordered))
    do(payments.DeclinePayment(merchant.id, declined, "unlikely"), actor=approver)
    do(payments.CancelCollection(merchant.id, cancelled))
    live(["reject"])

    with tenancy.scope(tenancy.PLATFORM):
        rows = payments.PaymentEvent.objects.filter(
            applied=True, object_id__in=payments.Collection.objects.values("pk")
        )
        happened = set(rows.values_list("from_state", "event").distinct())
    table = {(row.source or "", row.event.value) for row in MACHINES[Kind.COLLECTION].rows}
    assert happened == table
