"""A merchant who collects, and the bank's side of what it collects."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from apps.core import tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.exports import batch_bytes
from apps.payments.formats import (
    GroupStatus,
    OriginalPayment,
    PaymentReturn,
    ReturnMessage,
    StatusReason,
    StatusReport,
    TransactionStatus,
    build_payment_return,
    build_status_report,
)
from apps.payments.routing import route_for
from tests import factories
from tests.factories import SYSTEM, do

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)  # a Monday
CREDITOR_ID = "DE98ZZZ09999999999"
DEBTOR = payments.MandateDebtor("Helena Brandt", "DE02120300000000202051", "DE", "Berlin")


def on(day):
    """Give a moment in the morning of a day."""
    return datetime.combine(day, time(9), UTC)


@dataclass
class Collector:
    """A merchant with an account, a policy and a mandate."""

    inner: factories.Merchant

    @property
    def id(self):
        return self.inner.id

    def mandate(self, **changes):
        changes = {"signed_on": AT.date(), "debtor": DEBTOR, **changes}
        answer = do(payments.CreateMandate(self.id, **changes), actor=self.client(), at=AT)
        return parse_public_id("mdt", answer["id"])

    def client(self, name="client"):
        return self.inner.client("payments.write", name=name)

    def collect(self, mandate, minor=2_500, *, at=AT, **changes):
        """Order a collection; give the payment's key."""
        command = payments.CreateCollection(
            self.id, mandate, self.inner.accounts[0], Money(minor, "EUR"), **changes
        )
        return parse_public_id("pay", do(command, actor=self.client(), at=at)["id"])

    def balance(self):
        return self.inner.balance().posted

    def beside(self, part):
        """Say what lies in the reserve, or is owed (credits positive); nothing where there is no such account."""
        account = factories.accounts_id(self.inner.accounts[0])
        with tenancy.scope(self.id):
            try:
                return ledger.balance(ledger.account_by_code(self.id, f"{part}:{account}").id).posted
            except ledger.UnknownAccount:
                return 0

    def send(self, key, folder):
        """Tell the debtor, put the file in place; give the batch's message id and the day it is collected on."""
        row = collection(key)
        payments.prenotify_due(actor=SYSTEM, at=on(row.prenotify_on))
        at = on(row.submit_on)
        list(
            payments.export_batches(
                rail="sepa_dd",
                execution_date=row.collection_date,
                folder=folder,
                actor=SYSTEM,
                at=at,
            )
        )
        return payment(key).batch_message_id

    def settle(self, key, *, minor=2_500, day=None):
        row = collection(key)
        command = payments.SettlePayment(
            self.id, key, Money(minor, "EUR"), day or row.presented_for, f"line-{uuid.uuid4().hex}"
        )
        return do(command, at=on(row.presented_for))

    def shows_return(self, key, code="AM04", *, minor=2_500, day=None):
        """Let the bank's statement show that it came back."""
        day = day or collection(key).presented_for + timedelta(days=3)
        command = payments.ReturnPayment(
            self.id, key, Money(minor, "EUR"), day, f"line-{uuid.uuid4().hex}", reason=code
        )
        return do(command, at=on(day))

    def tells_return(self, key, code="AM04", *, minor=2_500, at=AT):
        """Let a file of the bank tell that it came back."""
        return payments.import_return(
            returned([(payment(key).end_to_end_id, minor, code)]), file_name="r.xml", actor=SYSTEM, at=at
        )


def collector(*, funded_minor=0, **policy):
    inner = factories.merchant(funded_minor=funded_minor)
    values = {"creditor_id": CREDITOR_ID, "creditor_name": "Example Gym GmbH", **policy}
    do(payments.SetCollectionPolicy(inner.id, **values), at=AT)
    return Collector(inner)


def payment(key):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(key)


def collection(key):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.Collection.objects.get(pk=key)


def return_of(key):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.Return.objects.filter(payment_id=key).first()


def mandate_row(key):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.Mandate.objects.get(pk=key)


def verified():
    """Prove that every row with a life is what its events fold to."""
    with tenancy.scope(tenancy.PLATFORM):
        return payments.verify_lives()[1]


def clearing():
    """Say what is under way at the bank account that collects euro: (coming in, cash)."""
    with tenancy.scope(tenancy.PLATFORM):
        route = route_for("EUR")
        return ledger.balance(route.clearing_in_id).posted, ledger.balance(route.cash_id).posted


def returned(items, *, message_id=""):
    """Write a pacs.004 of (end-to-end id, minor, code)."""
    return build_payment_return(
        ReturnMessage(
            message_id=message_id or uuid.uuid4().hex,
            created_at=AT,
            returns=tuple(
                PaymentReturn(
                    amount=Money(minor, "EUR"),
                    reason=code,
                    original=OriginalPayment(end_to_end_id=reference, amount=Money(minor, "EUR")),
                    return_id=f"R{number}",
                )
                for number, (reference, minor, code) in enumerate(items)
            ),
        )
    )


def report(batch_message_id, lines=(), *, status="ACSP"):
    """Write a pain.002 about a file: (end-to-end id, status, code) lines."""
    return build_status_report(
        StatusReport(
            format="pain.002.001.10",
            message_id=uuid.uuid4().hex,
            created_at=AT,
            original_message_id=batch_message_id,
            original_message_name="pain.008.001.08",
            status=status,
            groups=(
                GroupStatus(
                    id=f"{batch_message_id}-0001",
                    transactions=tuple(
                        TransactionStatus(
                            status=word, end_to_end_id=reference, reasons=(StatusReason(code=code),)
                        )
                        for reference, word, code in lines
                    ),
                ),
            )
            if lines
            else (),
        )
    )


def file_of(batch_message_id):
    return batch_bytes(batch_message_id)
