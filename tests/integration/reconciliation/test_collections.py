"""Direct debits and recalls between the platform and a bank that collects, rejects, returns and refunds."""

import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from apps.core import tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.reconciliation import public as reconciliation
from apps.simulator.bank import Bank
from tests import factories
from tests.integration.payments.collecting import AT, Collector, collection, payment, return_of
from tests.integration.payments.collecting import collector as new_collector
from tests.integration.reconciliation.conftest import ACTOR


class Town:
    """A bank of its own, a settlement account at it, and somebody who collects."""

    def __init__(self, bank, *, books_groups=False):
        self.ours = bank
        self.bank = Bank(bic="AGBLLT2XXXX")
        self.bank.books_groups = books_groups
        self.bank.open_account(bank.iban, "EUR", Money(0, "EUR"))
        self.collector: Collector = new_collector()

    def live(self, *days):
        """Let days pass on which something happens: files out, answers and returns in, statements read."""
        for day in sorted(days):
            self._one_day(day)
            self.bank = Bank.from_data(json.loads(json.dumps(self.bank.to_data())))  # switched off at night

    def _one_day(self, day):
        at = datetime.combine(day, time(8), UTC)
        payments.prenotify_due(actor=ACTOR, at=at)
        with TemporaryDirectory() as folder:
            for rail in ("sepa_dd", "sepa_ct"):
                execution = day + timedelta(days=1) if rail == "sepa_dd" else day
                list(
                    payments.export_batches(
                        rail=rail, execution_date=execution, folder=Path(folder), actor=ACTOR, at=at
                    )
                )
            list(payments.send_recalls(folder=Path(folder), actor=ACTOR, at=at))
            for path in sorted(Path(folder).glob("*.xml")):
                self._take(path.read_bytes(), at)
        told = self.bank.debits.returns(day=day, at=at)
        if told is not None:
            assert self._read(told, at)["findings"] == []
        if self.bank.has_news(self.ours.iban, day=day):
            data = self.bank.statement(self.ours.iban, day=day, at=at)
            reconciliation.import_statement(data, file_name="camt.053.xml", actor=ACTOR, at=at)
            (run,) = reconciliation.reconcile_accounts(
                as_of=day, actor=ACTOR, at=at, accounts=[self.ours.account]
            )
            assert run["refused"] == []
        payments.finalise_due(actor=ACTOR, at=at)

    def _take(self, data, at):
        answer = self.bank.take(data, at=at)
        if answer is not None:
            self._read(answer[1], at)

    def _read(self, data, at):
        return payments.import_return(data, file_name="in.xml", actor=ACTOR, at=at)

    def residues(self):
        """Say what lies in the clearing accounts of this bank account, and its cash."""
        with tenancy.scope(tenancy.PLATFORM):
            route = next(r for r in payments.settlement_accounts() if r.id == self.ours.settlement_id)
            return [
                ledger.balance(number).posted
                for number in (route.clearing_in_id, route.clearing_out_id, route.suspense_id, route.cash_id)
            ]

    def open_breaks(self):
        return [row.reason for row in self.ours.open_breaks()]


FATES = {
    "gym": "final",
    "gym simulate:reject MD01": "rejected",
    "gym simulate:return AM04 2": "returned",
    "gym simulate:refund MD06 20": "returned",
    "gym simulate:refund MD01 70": "returned",  # after it was final
}


@pytest.mark.parametrize("books_groups", [False, True])
def test_collections_meet_their_fates_and_clearing_is_zero(bank, books_groups):
    town = Town(bank, books_groups=books_groups)
    merchant = town.collector
    keys = {
        remittance: merchant.collect(merchant.mandate(), 2_000 + number, remittance=remittance)
        for number, remittance in enumerate(FATES)
    }
    b2b = merchant.collect(merchant.mandate(scheme="b2b"), 9_900)
    day = collection(b2b).collection_date

    row = collection(b2b)
    after = [day + timedelta(days=days) for days in (0, 2, 5, 20, 56, 70)]
    town.live(row.prenotify_on, row.submit_on, *after)

    assert {remittance: payment(key).state for remittance, key in keys.items()} == FATES
    assert payment(b2b).state == "final"
    assert merchant.balance() == 2_000 + 9_900
    assert town.residues() == [0, 0, 0, -(2_000 + 9_900)]
    assert (merchant.beside("reserve"), merchant.beside("claim")) == (0, 0)
    assert town.open_breaks() == []
    late = return_of(keys["gym simulate:refund MD01 70"])
    assert (late.kind, late.state, late.reason_class) == ("refund", "settled", "mandate_missing")
    with tenancy.scope(tenancy.PLATFORM):
        assert payments.verify_lives()[1] == []
        assert ledger.check().ok


@pytest.mark.parametrize(
    ("remittance", "recall", "state"),
    [
        ("Invoice", "accepted", "returned"),
        ("Invoice simulate:recall RJCR", "refused", "settled"),
        ("Invoice simulate:recall PDCR", "pending", "settled"),
    ],
)
def test_a_recall_is_answered_by_money_or_by_word(bank, remittance, recall, state):
    town = Town(bank)
    inner = factories.merchant(funded_minor=10_000, limit_minor=100_000)
    answer = factories.do(
        factories.PayoutFactory(
            organisation_id=inner.id,
            account_id=inner.accounts[0],
            amount=Money(2_500, "EUR"),
            remittance=remittance,
        ),
        at=AT,
    )
    key = parse_public_id("pay", answer["id"])
    town.live(AT.date())
    factories.do(payments.RecallPayment(inner.id, key, "FRAD"), at=AT)

    town.live(*(AT.date() + timedelta(days=days) for days in (1, 2)))

    with tenancy.scope(tenancy.PLATFORM):
        row = payments.Recall.objects.get(payment_id=key)
    assert (row.state, payment(key).state) == (recall, state)
    cash = 0 if state == "returned" else 2_500
    assert town.residues() == [0, 0, 0, cash]
    assert town.open_breaks() == []
