"""The accountant's buttons: who sees them, that they ask once more, and that most wait for a second person."""

import re

import pytest

from apps.core import clock, tenancy
from apps.core.ids import public_id
from apps.ledger import public as ledger


def press(client, address, **data):
    page = client.get(address)
    key = re.search(r'name="key" value="([^"]+)"', page.content.decode())[1]
    return client.post(address, {"key": key, **data}, follow=True)


@pytest.fixture
def account(world):
    with tenancy.scope(tenancy.PLATFORM):
        seq = ledger.journals_by_reference(world.transfer)[0].seq
        return ledger.account(ledger.journal(seq).postings[0].debit_id)


def test_an_account_is_frozen_at_once_and_unfrozen_by_two(account, logged_in):
    client = logged_in("ledger_accountant")
    address = f"/console/ledger/{account.id}/"
    assert "freeze/" in client.get(address).content.decode()

    page = press(client, f"{address}freeze/", reason="court order").content.decode()
    waits = press(client, f"{address}unfreeze/", reason="order lifted").content.decode()

    assert "Frozen." in page and "unfreeze/" in page
    assert "second person" in waits


def test_a_journal_by_hand_waits_for_a_second_person(account, logged_in):
    client = logged_in("ledger_accountant")
    organisation = public_id("org", account.organisation_id)
    before = ledger_count()

    page = press(
        client,
        f"/console/ledger/of/{organisation}/new/",
        debit=account.id,
        credit=account.id + 1,
        amount="1.00",
        effective_date=str(clock.database_now().date()),
        reason="rounding",
    )

    assert "second person" in page.content.decode()
    assert ledger_count() == before


def ledger_count():
    with tenancy.scope(tenancy.PLATFORM):
        return ledger.latest_journals(limit=1)[0].seq


def test_a_journal_is_reversed_and_a_period_closed_by_two(world, account, logged_in):
    client = logged_in("ledger_accountant")
    with tenancy.scope(tenancy.PLATFORM):
        seq = next(one.seq for one in ledger.journals_by_reference(world.transfer) if one.postings)

    reversal = press(client, f"/console/journals/{seq}/reverse/", reason="by mistake")
    period = press(
        client,
        f"/console/ledger/of/{public_id('org', account.organisation_id)}/close/",
        through="2020-01-31",
    )

    assert "second person" in reversal.content.decode()
    assert "second person" in period.content.decode()


@pytest.mark.parametrize("text", ["1e3", "0x1", "١٢", "1.234", "nan"])
def test_a_limit_that_is_no_amount_is_refused_on_the_page(account, logged_in, text):
    page = press(
        logged_in("ledger_accountant"), f"/console/ledger/{account.id}/limits/", floor=text, reason="x"
    )

    assert page.status_code == 422


def test_viewers_see_no_button_and_are_refused(account, as_role):
    client = as_role("viewer")

    assert "freeze/" not in client.get(f"/console/ledger/{account.id}/").content.decode()
    assert client.get(f"/console/ledger/{account.id}/freeze/").status_code == 403
