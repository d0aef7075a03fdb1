"""The workbench in a real browser: light and dark, by keyboard, without one violation of the policy."""

from typing import Any

import pytest

from apps.core.commands import execute
from apps.core.ids import public_id
from apps.reconciliation.commands import AssignBreak, CloseDay, NoteBreak
from tests.console.test_browser import Browser, address, browser, chromium, pytestmark
from tests.console.world import code_of, staff
from tests.integration.reconciliation.bank import TestBank, TestMerchant, open_bank
from tests.integration.reconciliation.conftest import ACTOR, AT

__all__ = ["address", "browser", "chromium", "pytestmark"]

DAY = AT.date()


@pytest.fixture
def person(db: None) -> tuple[Any, str]:
    """Make an accountant before the browser starts: its event loop forbids queries in this thread."""
    user = staff("ledger_accountant")
    return user, code_of(user)


@pytest.fixture
def bank(db: None) -> dict[str, str]:
    """Make an account with breaks of several kinds and one closed day; give the addresses of its pages."""
    bank, addresses = open_bank(), {}
    merchant = TestMerchant()
    bank.books(150_000, remittance=merchant.account)
    bank.reconcile()
    payment = merchant.pays_out(20_000)
    bank.books(-12_000, end_to_end="PART-ONE", name="BV EXAMPLE SUPPLIES")
    bank.books(-8_000, end_to_end="PART-TWO")
    bank.books(-20_000, end_to_end="ANOTHER", name="BV EXAMPLE SUPPLIES")
    bank.books(4_250, remittance="thank you")
    wrong = merchant.pays_out(7_000)
    bank.books(-7_100, end_to_end=wrong.end_to_end_id)
    run = bank.reconcile()
    rows = {row.line.amount_minor: row for row in bank.open_breaks() if row.line}
    noted = rows[-7_100]
    for command in (
        AssignBreak(bank.operator_id, noted.id, "night shift"),
        NoteBreak(bank.operator_id, noted.id, "The bank was called; it will answer tomorrow."),
        CloseDay(bank.operator_id, bank.account_id, DAY, accept_breaks=True),
    ):
        execute(command, actor=ACTOR, key=None, at=AT)
    assert payment.state
    addresses["proposed"] = f"breaks/{public_id('brk', rows[-20_000].id)}/"
    addresses["sides"] = f"breaks/{public_id('brk', noted.id)}/"
    addresses["part"] = f"breaks/{public_id('brk', rows[-12_000].id)}/"
    addresses["match"] = addresses["part"] + "match/"
    addresses["suspense"] = addresses["part"] + "suspense/"
    addresses["day"] = f"reconciliation/{public_id('ban', bank.account_id)}/{DAY}/"
    addresses["run"] = f"runs/{run['id']}/"
    addresses["days"] = "reconciliation/"
    addresses["files"] = "break-files/"
    addresses["breaks"] = "breaks/?state__exact=open"
    addresses["matches"] = "matches/"
    addresses["matched"] = f"matches/{public_id('mat', _a_match(bank))}/"
    return addresses


def _a_match(bank: TestBank) -> Any:
    from apps.reconciliation.models import Match

    return bank.rows(Match)[0].id


def test_every_page_fits_and_keeps_the_policy(bank: dict[str, str], browser: Browser) -> None:
    for name, path in bank.items():
        browser.open(path)
        browser.shoot(f"recon-{name}-{browser.scheme}")  # type: ignore[attr-defined]
        wide = browser.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{path} is {wide}px too wide"

    assert browser.complaints == []


def test_a_break_is_matched_by_keyboard_alone(bank: dict[str, str], browser: Browser) -> None:
    page = browser.page
    browser.open(bank["part"])

    page.keyboard.press("m")
    page.wait_for_selector("form[data-sums]")
    page.wait_for_load_state("load")
    before = page.locator("[data-sum=difference]").inner_text()
    page.locator("tr:has-text('200.00') input[name=ours]").check()
    page.locator("tr:has-text('PARTTWO') input[name=line], tr:has-text('PART-TWO') input[name=line]").check()
    after = page.locator("[data-sum=difference]").inner_text()
    page.keyboard.press("j")
    marked = page.locator("tr.marked").count()
    page.keyboard.press("x")
    ticked = page.locator("[data-sum=difference]").inner_text()
    page.keyboard.press("x")
    page.locator("button[value=exact]").press("Enter")
    page.wait_for_selector(".messages .success")

    assert before == "−120.00 EUR" and after == "0.00 EUR"
    assert marked == 1 and ticked != after
    assert browser.complaints == []
