"""The console in a real browser: two factors, search, timeline, journal, keyboard; not one policy violation.

Needs Chromium (Debian's package `chromium`); skipped where there is none. Screenshots stay in var/screenshots.
"""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections

from apps.console.badges import BADGES
from tests.console.world import PASSWORD, World, code_of, staff

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
PAGES = [
    "",
    "payments/",
    "ledger/",
    "journals/",
    "trial-balance/",
    "customers/",
    "accounts/",
    "events/",
    "dead-events/",
    "processes/",
    "reconciliation/",
    "breaks/",
    "statements/",
    "runs/",
    "endpoints/",
    "deliveries/",
    "inbox/",
    "sources/",
    "dead-letters/",
    "audit/",
    "approvals/",
    "search/?q=12.34",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt install chromium)"),
]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then close this thread's connections, also when the browser went away meanwhile."""
        super().process_request_thread(request, client_address)
        connections.close_all()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """Serve the project from this process, on the test's own database."""
    server = _Server(("127.0.0.1", 0), _Quiet)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


class Browser:
    """A page of a real browser that remembers everything that went wrong in it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address, self.complaints = page, address, []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on(
            "requestfailed",
            lambda request: self.complaints.append(f"failed: {request.url} {request.failure}"),
        )

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/console/{path}")

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def log_in(browser: Browser, user: Any, code: str) -> None:
    page = browser.page
    browser.open("login/")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("text=Continue")
    page.fill("[name=code]", code)
    page.click("text=Log in")
    page.wait_for_selector("h1:text('Home')")
    page.wait_for_load_state("load")


@pytest.fixture
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def person() -> tuple[Any, str]:
    """Make a member of staff before the browser starts: its event loop forbids queries in this thread."""
    user = staff("approver")
    return user, code_of(user)


@pytest.fixture(params=["light", "dark"])
def browser(world: World, address: str, person: Any, chromium: Any, request: Any) -> Iterator[Browser]:
    context = chromium.new_context(
        color_scheme=request.param,
        viewport={"width": 1360, "height": 900},
        permissions=["clipboard-read", "clipboard-write"],
    )
    one = Browser(context.new_page(), address)
    one.scheme = request.param  # type: ignore[attr-defined]
    log_in(one, *person)
    yield one
    context.close()


def test_staff_find_a_payment_by_its_id_and_see_its_timeline_and_both_entries(world: World, browser: Browser):
    page = browser.page

    page.keyboard.press("/")
    page.keyboard.type(world.transfer)
    page.wait_for_selector("#found a")
    page.keyboard.press("Enter")
    page.wait_for_selector("#timeline li[data-kind=state]")
    browser.shoot(f"payment-{browser.scheme}")
    kinds = page.eval_on_selector_all("#timeline li", "rows => rows.map(row => row.dataset.kind)")
    page.click("#books td a")
    page.wait_for_selector("tr.entry")

    assert {"state", "journal", "audit"} <= set(kinds)
    assert page.locator("tr.entry").count() == 2
    assert page.locator("h1 ~ .state.good:text('balanced'), .headline .state:text('balanced')").count() == 1
    browser.shoot(f"journal-{browser.scheme}")
    assert browser.complaints == []


def test_no_page_breaks_the_content_policy_or_overflows(browser: Browser):
    for path in PAGES:
        browser.open(path)
        browser.shoot(f"{path.strip('/').partition('/')[0].partition('?')[0] or 'home'}-{browser.scheme}")
        wide = browser.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{path or 'home'} is {wide}px too wide"

    for width in (390, 1000, 1360):
        browser.page.set_viewport_size({"width": width, "height": 900})
        browser.open("")
        fill_the_header(browser)
        browser.shoot(f"home-busy-{width}-{browser.scheme}")
        assert browser.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), f"the header is too wide at {width}px"
        assert browser.page.locator(".find input").bounding_box()["width"] >= 200

    assert browser.complaints == []


def fill_the_header(browser: Browser) -> None:
    """Show what the header shows when everything that may wait does."""
    browser.page.evaluate(
        """labels => document.querySelector(".badges").replaceChildren(...labels.map(label => {
            const badge = document.createElement("a"); badge.className = "badge"; badge.href = "#";
            badge.textContent = "10000 " + label; return badge;
        }))""",
        [badge.label for badge in BADGES],
    )


def test_the_keyboard_reaches_pages_rows_and_help(world: World, browser: Browser):
    page = browser.page

    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_selector("h1:text('Payments')")
    page.wait_for_load_state("load")
    page.keyboard.press("j")
    marked = page.locator("tr.marked").count()
    page.keyboard.press("?")
    helped = page.locator("#shortcuts[open]").count()
    page.keyboard.press("Escape")
    page.wait_for_selector("#shortcuts", state="hidden")
    page.keyboard.press("Enter")
    page.wait_for_selector("#timeline")

    assert (marked, helped) == (1, 1)
    assert browser.complaints == []


def test_ids_are_copied_and_the_theme_is_kept(world: World, browser: Browser):
    page = browser.page
    browser.open(f"payments/{world.transfer}/")

    page.click(".crumbs .copy")
    copied = page.evaluate("navigator.clipboard.readText()")
    page.click(".me summary")
    page.click("[data-choose-theme=dark]")
    page.reload()

    assert copied == world.transfer
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert browser.complaints == []


def test_a_narrow_screen_needs_no_sideways_scrolling(world: World, browser: Browser):
    page = browser.page
    page.set_viewport_size({"width": 390, "height": 800})
    wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 391).map(e => e.outerHTML.slice(0, 90)).slice(0, 6)"

    for path in ("", "payments/", f"payments/{world.transfer}/", "trial-balance/", "audit/"):
        browser.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, (path, page.evaluate(wide))

    browser.shoot(f"narrow-{browser.scheme}")
    assert browser.complaints == []
