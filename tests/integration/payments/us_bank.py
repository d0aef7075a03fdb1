"""A US dollar account of ours with its place in the ACH, and a merchant who pays from one."""

import uuid
from datetime import date

from apps.core import clock, tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.calendar import execution_day
from apps.payments.exports import batch_bytes
from apps.payments.formats.nacha import read_nacha
from apps.payments.models import AchItem, Batch, SettlementAccount
from apps.payments.routing import forget_routes
from tests import factories
from tests.factories import do

OURS, THEIRS = "121042882", "021000021"


def open_us_bank(*, segregate=False):
    """Open a settlement account that pays out dollars from now on; give its key."""
    operator_id = factories.operator()
    with tenancy.scope(tenancy.PLATFORM):
        SettlementAccount.objects.filter(currency="USD").update(pays_out=False)
    answer = do(
        payments.AddSettlementAccount(
            None,
            operator_id,
            str(uuid.uuid4().int)[:12],
            "USD",
            "Test Operator Inc",
            "First Test Bank",
            routing_number=OURS,
        )
    )
    forget_routes()
    key = parse_public_id("sta", answer["id"])
    do(payments.SetAchProfile(None, key, "1234567890", "Test Operator", OURS, segregate=segregate))
    return key


def payee(**changes):
    values = {
        "name": "Ada Example",
        "routing_number": THEIRS,
        "account_number": "000123456789",
        "account_kind": "checking",
        "holder": "person",
    } | changes
    return payments.Creditor(**values)


def merchant(funded_minor=10_000_000, limit_minor=10_000_000):
    return factories.merchant(
        accounts_count=1, currency="USD", funded_minor=funded_minor, limit_minor=limit_minor
    )


def payout(one, minor=2_500, *, to=None, remittance="Invoice 4711", at=None, same_day=False):
    command = payments.CreatePayout(
        one.id, one.accounts[0], Money(minor, "USD"), to or payee(), remittance=remittance, same_day=same_day
    )
    return do(command, key=uuid.uuid4().hex, at=at)


def export(folder, *, at=None, execution_date=None):
    at = at or clock.database_now()
    return list(
        payments.export_batches(
            rail="ach",
            execution_date=execution_date or execution_day("ach", at),
            folder=folder,
            actor=factories.SYSTEM,
            at=at,
        )
    )


def stored(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(parse_public_id("pay", answer["id"]))


def item_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return AchItem.objects.get(payment_id=parse_public_id("pay", answer["id"]), kind="forward")


def batch_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return Batch.objects.get(message_id=stored(answer).batch_message_id)


def collected(one, minor, remittance, *, at=None):
    """Let a merchant debit somebody new, with leave and authorisation; give the payment."""
    do(payments.SetAchCollectionPolicy(one.id))
    debtor = payments.UsDebtor("Ada Example", THEIRS, str(uuid.uuid4().int)[:10])
    authorisation = payments.AuthoriseAchDebit(one.id, debtor, "paper", date(2026, 1, 5), "form 4711")
    mandate = parse_public_id("mdt", do(authorisation)["id"])
    return do(payments.CollectByAch(one.id, mandate, one.accounts[0], Money(minor, "USD"), remittance), at=at)


def account_in_file(answer):
    """Give the account number that the file of a payment names for it."""
    for batch in read_nacha(batch_bytes(stored(answer).batch_message_id)).file.batches:
        for entry in batch.entries:
            if entry.record["individual_id"] == answer["end_to_end_id"]:
                return entry.record["account"]
    raise LookupError
