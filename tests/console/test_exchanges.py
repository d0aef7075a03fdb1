"""A payment across currencies on its page: what left, at which rate, and the exchange in the timeline."""

import pytest

from tests.console.test_browser import (
    CHROMIUM,
    Browser,
    address,  # noqa: F401  # a fixture
    browser,  # noqa: F401  # a fixture
    chromium,  # noqa: F401  # a fixture
    person,  # noqa: F401  # a fixture
)
from tests.integration.payments import exchanging


@pytest.fixture
def exchanged(db):
    """Give the id of a settled transfer from euro to dollars."""
    exchanging.list_rate()
    merchant = exchanging.merchant()
    exchanging.add_account(merchant, "USD")
    return exchanging.transfer(merchant, exchanging.quote(merchant))["id"]


def test_the_page_shows_the_exchange(exchanged, as_role):
    page = as_role("approver").get(f"/console/payments/{exchanged}/").content.decode().lower()

    for said in ("left the account", "exchange rate", "exchanged 100.00 eur for 107.4", "mid rate", "spread"):
        assert said in page, said


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt install chromium)")
def test_the_page_keeps_the_content_policy(exchanged, browser: Browser):  # noqa: F811
    browser.open(f"payments/{exchanged}/")
    browser.page.wait_for_selector("#timeline li:has-text('exchanged')")
    browser.shoot(f"exchange-{browser.scheme}")

    assert browser.complaints == []
