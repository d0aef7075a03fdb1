"""Orders, mandates, collections, disputes and accounts in a real browser: light, dark, narrow, policy kept."""

from typing import Any

import pytest

from tests.console.moving import Moving, moving, state_of
from tests.console.test_browser import Browser, address, browser, chromium, pytestmark
from tests.console.world import code_of, staff

__all__ = ["address", "browser", "chromium", "pytestmark"]

LISTS = ("bulk-orders/", "standing-orders/", "mandates/", "collections/", "disputes/")


@pytest.fixture
def person(db: None) -> tuple[Any, str]:
    """Make an operator before the browser starts: its event loop forbids queries in this thread."""
    user = staff("operator")
    return user, code_of(user)


@pytest.fixture
def things(db: None, tmp_path: Any) -> Moving:
    """Make one of each."""
    return moving(tmp_path)


def test_every_page_fits_and_keeps_the_policy(things: Moving, browser: Browser) -> None:
    pages = {slug.strip("/"): slug for slug in LISTS} | things.pages
    asks = {
        "block": f"accounts/{things.account}/block/",
        "close": f"accounts/{things.empty_account}/close/",
        "contest": f"disputes/{things.dispute}/submit/",
    }
    for name, path in (pages | asks).items():
        browser.open(path)
        browser.shoot(f"moving-{name}-{browser.scheme}")  # type: ignore[attr-defined]
        wide = browser.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{path} is {wide}px too wide"

    browser.page.set_viewport_size({"width": 390, "height": 800})
    for path in things.pages.values():
        browser.open(path)
        assert browser.page.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert browser.complaints == []


def test_a_button_is_pressed_and_says_what_it_did(things: Moving, browser: Browser, in_threads: Any) -> None:
    page = browser.page
    browser.open(f"mandates/{things.mandate}/")

    page.click(".doing >> text=Suspend")
    page.fill("[name=reason]", "The debtor has moved")
    page.click("button:text('Suspend')")
    page.wait_for_selector(".messages >> text=Suspended.")

    assert in_threads(state_of, [things.mandate]) == ["suspended"]
    assert page.locator("#timeline >> text=suspend: active → suspended").count() == 1
    assert browser.complaints == []
