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
