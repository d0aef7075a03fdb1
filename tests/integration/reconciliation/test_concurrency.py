"""Two runs at once, and runs that stopped half-way."""

from apps.core import tenancy
from apps.core.commands import execute
from apps.reconciliation import public as reconciliation
from apps.reconciliation.commands import Reconcile
from apps.reconciliation.models import Match
from tests.integration.reconciliation.conftest import ACTOR, AT

DAY = AT.date()


class TestTwoRunsAtOnce:
    def test_match_and_book_each_line_once(self, bank, merchant, in_threads):
        for number in range(5):
            bank.books(1_000 + number, remittance=merchant.account)
        reconciliation.import_statement(bank.statement(), file_name="x", actor=ACTOR, at=AT)
        account = bank.account

        def run(_):
            return reconciliation.reconcile_accounts(as_of=DAY, actor=ACTOR, at=AT, accounts=[account])

        answers = in_threads(run, [1, 2, 3])

        assert not [one for one in answers if isinstance(one, Exception)]
        assert len(bank.rows(Match)) == 5
        assert merchant.balance() == sum(1_000 + number for number in range(5))
        assert bank.cash() == bank.closing()


class TestARunThatStopped:
    def test_after_matching_is_completed_by_the_next(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        reconciliation.import_statement(bank.statement(), file_name="x", actor=ACTOR, at=AT)
        execute(Reconcile(None, bank.account_id, DAY), actor=ACTOR, key=None, at=AT)  # and no effects
        before = merchant.balance()

        run = bank.reconcile()

        assert before == 0 and merchant.balance() == 12_345
        assert run["match_count"] == 0 and run["applied"] == 1
        with tenancy.scope(tenancy.PLATFORM):
            assert [match.state for match in bank.rows(Match)] == ["applied"]
