"""A settlement account of a test's own, at a bank that books what the test says, and a merchant."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from apps.core import tenancy
from apps.core.commands import execute
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.formats import (
    Balance,
    BankCode,
    EntryDetail,
    References,
    Statement,
    StatementEntry,
    build_statements,
)
from apps.payments.models import SettlementAccount
from apps.payments.routing import forget_routes
from apps.reconciliation import public as reconciliation
from apps.reconciliation.importing.accounts import bank_account_of_settlement
from apps.reconciliation.models import BankAccount, Break, BreakEvent, Expectation
from apps.reconciliation.running import apply_matches
from tests import factories
from tests.integration.reconciliation.conftest import ACTOR, AT

DAY = AT.date()


def lithuanian_iban(number):
    """Make a valid IBAN of a test's own, of a country without check digits inside."""
    body = f"10100{number % 10**11:011d}"
    check = 98 - int(body + "212900") % 97
    return f"LT{check:02d}{body}"


@dataclass
class TestBank:
    """The bank's side of one settlement account."""

    __test__ = False

    operator_id: object
    iban: str
    settlement_id: object
    balance_minor: int = 0
    number: int = 0
    pending: list = field(default_factory=list)

    def books(self, minor, *, end_to_end="", remittance="", return_reason="", name="Ada Example", iban=""):
        """Book an entry, which the next statement shows."""
        position = len(self.pending) + 1
        reference = f"{self.iban[-6:]}{self.number:04d}{position:04d}"
        amount = Money(minor, "EUR")
        refs = References(end_to_end=end_to_end or "NOTPROVIDED", acct_svcr=reference)
        detail = EntryDetail(
            amount=amount,
            refs=refs,
            counterparty_name=name,
            counterparty_iban=iban,
            remittance_unstructured=remittance,
            return_reason=return_reason,
        )
        self.pending.append(
            StatementEntry(
                position=position,
                amount=amount,
                status="BOOK",
                booking_date=DAY,
                value_date=DAY,
                refs=References(acct_svcr=reference),
                bank_code=BankCode("PMNT", "RCDT", "ESCT"),
                return_reason=return_reason,
                details=(detail,),
            )
        )

    def statement(self):
        """Give the camt.053 of everything booked since the last one."""
        self.number += 1
        opening = self.balance_minor
        self.balance_minor += sum(entry.amount.minor for entry in self.pending)
        statement = Statement(
            id=f"{self.iban[-8:]}-{self.number}",
            kind="statement",
            account=self.iban,
            iban=self.iban,
            currency="EUR",
            sequence=str(self.number),
            created_at=AT,
            from_date=DAY,
            to_date=DAY,
            balances=(
                Balance("OPBD", Money(opening, "EUR"), DAY),
                Balance("CLBD", Money(self.balance_minor, "EUR"), DAY),
            ),
            entries=tuple(self.pending),
        )
        self.pending = []
        return build_statements(message_id=statement.id, created_at=AT, statements=(statement,))

    def reconcile(self, *, as_of=DAY, dry_run=False):
        """Import what was booked and reconcile; give the run over this account."""
        if self.pending:
            reconciliation.import_statement(self.statement(), file_name="camt.053.xml", actor=ACTOR, at=AT)
        (run,) = reconciliation.reconcile_accounts(
            as_of=as_of, actor=ACTOR, at=AT, accounts=[self.account], dry_run=dry_run
        )
        return run

    def reconcile_now(self):
        """Run over this account although the bank booked nothing; it is known from its settlement account."""
        with tenancy.scope(tenancy.PLATFORM):
            bank_account_of_settlement(self.settlement_id)
        return self.reconcile()

    @property
    def account(self):
        with tenancy.scope(tenancy.PLATFORM):
            return BankAccount.objects.get(settlement_account_id=self.settlement_id)

    @property
    def account_id(self):
        return self.account.id

    def closing(self):
        """Say what the bank's latest statement closes with."""
        return self.balance_minor

    def cash(self):
        """Say what the books hold as cash at this bank (debits are positive here)."""
        with tenancy.scope(tenancy.PLATFORM):
            route = next(r for r in payments.settlement_accounts() if r.id == self.settlement_id)
            return -ledger.balance(route.cash_id).posted

    def do(self, command, **options):
        """Run a command, and what follows from a match it makes, as the relay would."""
        outcome = execute(command, actor=ACTOR, key=None, at=AT, **options)
        self.effects = apply_matches(self.account_id, actor=ACTOR, at=AT)
        return outcome

    def rows(self, model):
        with tenancy.scope(tenancy.PLATFORM):
            return list(model.objects.filter(bank_account_id=self.account_id).order_by("id"))

    def open_breaks(self):
        with tenancy.scope(tenancy.PLATFORM):
            rows = Break.objects.filter(bank_account_id=self.account_id, state="open")
            return list(rows.select_related("line", "expectation").order_by("id"))

    def only_break(self):
        (row,) = self.open_breaks()
        return row

    def history(self, row):
        with tenancy.scope(tenancy.PLATFORM):
            return list(BreakEvent.objects.filter(break_of_id=row.id).order_by("version"))

    def expectation_of(self, payment):
        with tenancy.scope(tenancy.PLATFORM):
            return Expectation.objects.get(payment_id=payment.id)


def open_bank():
    """Open a settlement account that pays out euros from now on; those of other tests no longer do."""
    operator_id = factories.operator()
    with tenancy.scope(tenancy.PLATFORM):
        SettlementAccount.objects.filter(currency="EUR").update(pays_out=False)
        count = SettlementAccount.objects.count()
    iban = lithuanian_iban(7_000_000 + count)
    answer = factories.do(
        payments.AddSettlementAccount(
            None, operator_id, iban, "EUR", "Test Operator", "Test Bank", "AGBLLT2XXXX"
        )
    )
    forget_routes()
    return TestBank(operator_id, iban, parse_public_id("sta", answer["id"]))


class TestMerchant:
    """A merchant with one euro account."""

    __test__ = False

    def __init__(self):
        self.inner = factories.merchant(accounts_count=1, limit_minor=10_000_000)
        self.organisation_id = self.inner.id
        self.account = public_id("acc", self.inner.accounts[0])

    def balance(self):
        return self.inner.balance().posted

    def pays_out(self, minor):
        """Order a payout and hand its file to the bank; give the payment."""
        answer = factories.do(
            factories.PayoutFactory(
                organisation_id=self.organisation_id,
                account_id=self.inner.accounts[0],
                amount=Money(minor, "EUR"),
            ),
            at=AT,
        )
        with TemporaryDirectory() as folder:
            list(
                payments.export_batches(
                    rail="sepa_ct",
                    execution_date=DAY + timedelta(days=0),
                    folder=Path(folder),
                    actor=ACTOR,
                    at=AT,
                )
            )
        return self.payment(parse_public_id("pay", answer["id"]))

    def payment(self, key):
        with tenancy.scope(tenancy.PLATFORM):
            return payments.payment(key)

    def payment_state(self, payment):
        return self.payment(payment.id).state
