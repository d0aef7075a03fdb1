"""Payment accounts against payments and each other: locks, and IBANs that nobody claims."""

import pytest

from apps.accounts import domain
from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Conflict, Denied, NotFound
from apps.core.ids import parse_public_id
from tests.factories import do, merchant, operator


@pytest.fixture
def owner(db):
    return merchant(accounts_count=1)


class TestLockPaymentAccount:
    def test_payments_share_it(self, owner, in_threads):
        def hold(_):
            with tenancy.scope(owner.id):
                return accounts.lock_payment_account(owner.accounts[0]).status

        assert in_threads(hold, range(4)) == ["open"] * 4

    def test_a_block_waits_for_them(self, owner, in_threads):
        import threading

        held, done = threading.Event(), threading.Event()

        def act(who):
            if who == "payment":
                with tenancy.scope(owner.id):
                    accounts.lock_payment_account(owner.accounts[0])
                    held.set()
                    assert not done.wait(timeout=0.5), "the block did not wait"
                return "paid"
            held.wait(timeout=5)
            do(accounts.BlockPaymentAccount(owner.id, account_id=owner.accounts[0], reason="other"))
            done.set()
            return "blocked"

        assert in_threads(act, ["payment", "block"]) == ["paid", "blocked"]

    def test_it_needs_a_transaction(self, owner):
        with pytest.raises(RuntimeError):
            accounts.lock_payment_account(owner.accounts[0])

    def test_another_organisations_is_not_found(self, owner, make_organisation):
        with tenancy.scope(make_organisation().id), pytest.raises(NotFound):
            accounts.lock_payment_account(owner.accounts[0])


class TestIbans:
    def test_parallel_openings_get_different_ones(self, owner, in_threads):
        answers = in_threads(
            lambda _: do(accounts.OpenPaymentAccount(owner.id, currency="EUR"))["iban"], range(6)
        )

        assert len(set(answers)) == 6

    def test_the_operator_may_bring_one_and_once(self, owner):
        import secrets

        iban = accounts.issue_iban("LT", "32500", 100_000 + secrets.randbelow(800_000))
        made = do(accounts.OpenPaymentAccount(owner.id, currency="EUR", iban=iban))

        assert made["iban"] == iban
        with pytest.raises(Conflict):
            do(accounts.OpenPaymentAccount(owner.id, currency="EUR", iban=iban))

    def test_a_client_may_not(self, owner):
        client = Actor("api", "cli_x", owner.id, frozenset({"accounts.write"}))
        command = accounts.OpenPaymentAccount(owner.id, currency="EUR", iban="NL91ABNA0417164300")

        with pytest.raises(Denied):
            execute(command, actor=client, key=None, at=clock.database_now())


class TestRetries:
    def test_the_same_key_opens_one_account(self, owner):
        operator()
        command = accounts.OpenPaymentAccount(owner.id, currency="EUR")

        first, second = do(command, key="k-1"), do(command, key="k-1")

        assert first == second
        with tenancy.scope(owner.id):
            assert accounts.payment_accounts(owner.id).count() == 2
            assert accounts.payment_account(parse_public_id("acc", first["id"])).is_open


class TestNumbers:
    def test_that_the_banks_check_digits_do_not_allow_are_passed_over(self, owner, monkeypatch):
        operator()
        tried = []

        def every_tenth(country, bank_code, number):
            tried.append(number)
            if len(tried) % 10:
                raise domain.NoSuchNumber(country=country, bank_code=bank_code)
            return issue(country, bank_code, number)

        issue = domain.issue_iban
        monkeypatch.setattr(domain, "issue_iban", every_tenth)

        do(accounts.OpenPaymentAccount(owner.id, currency="EUR"))

        assert len(tried) == 10
