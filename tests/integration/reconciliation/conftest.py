"""A bank account to read statements of, and people to act."""

from datetime import UTC, datetime

import pytest

from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.reconciliation.commands import AddBankAccount

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACTOR = system_actor("test.reconciliation")


@pytest.fixture
def follow(organisation_id):
    """Give a function that follows a bank account of this test's organisation."""

    def add(number, currency="EUR", **profile):
        command = AddBankAccount(organisation_id, number=number, currency=currency, **profile)
        return execute(command, actor=ACTOR, key=None, at=AT).answer

    return add


@pytest.fixture
def bank(db):
    """Give a settlement account of this test's own."""
    from tests.integration.reconciliation.bank import open_bank

    return open_bank()


@pytest.fixture
def merchant(bank):
    """Give a merchant whose payouts leave from the test's settlement account."""
    from tests.integration.reconciliation.bank import TestMerchant

    return TestMerchant()
