"""The workbench of reconciliation: what its pages show, and what its buttons do."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.compliance.public import Approval
from apps.core import tenancy
from apps.core.ids import public_id
from apps.reconciliation.commands import WriteOffBreak
from apps.reconciliation.models import Match
from apps.reconciliation.running import apply_matches
from tests.console.test_pages import text_of
from tests.integration.reconciliation.bank import TestMerchant, open_bank
from tests.integration.reconciliation.conftest import ACTOR, AT

DAY = AT.date().isoformat()


@pytest.fixture
def bank(db):
    return open_bank()


@pytest.fixture
def merchant(bank):
    return TestMerchant()


@pytest.fixture
def accountant(logged_in):
    return logged_in("ledger_accountant")


def page_of(row):
    return f"/console/breaks/{public_id('brk', row.id)}/"


def press(client, address, **data):
    """Open a confirmation, send its form, and let what follows from a match happen."""
    key = re.search(r'name="key" value="([^"]+)"', text_of(client, address))[1]
    return client.post(address, {"key": key, **data})


def press_refused(client, address):
    return client.post(address, {"key": "k" * 30, "reason": "once more"})


def day_page(bank):
    return f"/console/reconciliation/{public_id('ban', bank.account_id)}/{DAY}/"


class TestABreak:
    def test_offers_what_its_state_allows_to_who_may(self, bank, as_role):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        address = page_of(bank.only_break())

        working = text_of(as_role("ledger_accountant"), address)
        looking = text_of(as_role("viewer"), address)

        for name in ("suspense", "charge", "write_off", "assign", "note", "evaluate", "match"):
            assert f'href="{name}/"' in working and f'href="{name}/"' not in looking

    def test_is_booked_to_suspense_and_taken_back(self, bank, accountant):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        row = bank.only_break()

        press(accountant, page_of(row) + "suspense/")
        apply_matches(bank.account_id, actor=ACTOR, at=AT)
        booked = bank.cash()
        with tenancy.scope(tenancy.PLATFORM):
            match = Match.objects.get(bank_account_id=bank.account_id, method="suspense")
        press(accountant, f"/console/matches/{public_id('mat', match.id)}/undo/", reason="It was rent")

        assert booked == bank.closing() == 5_000
        assert bank.cash() == 0 and bank.only_break().state == "open"

    def test_written_off_waits_for_a_second_person(self, bank, logged_in, accountant):
        bank.books(-700, remittance="?")
        bank.reconcile()
        row = bank.only_break()

        press(accountant, page_of(row) + "write_off/", reason="Too small to chase")
        waiting = bank.only_break().state
        approver = logged_in("approver")
        with tenancy.scope(tenancy.PLATFORM):
            asked = Approval.objects.get(command_name="reconciliation.write_off", target=str(row.id))
        request = f"/console/approvals/{public_id('apr', asked.id)}/"
        press(approver, request + "approve/", reason="Agreed")
        apply_matches(bank.account_id, actor=ACTOR, at=AT)

        assert waiting == "open" and bank.open_breaks() == []
        assert bank.cash() == bank.closing()

    def test_is_assigned_noted_and_its_note_is_for_those_who_work_on_it(self, bank, accountant, as_role):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        row = bank.only_break()

        press(accountant, page_of(row) + "assign/", owner="night shift")
        press(accountant, page_of(row) + "note/", note="The bank was called")

        assert bank.only_break().owner == "night shift"
        assert "The bank was called" in text_of(accountant, page_of(row))
        assert "The bank was called" not in text_of(as_role("viewer"), page_of(row))

    def test_refusals_are_told_and_nothing_happens(self, bank, accountant):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        row = bank.only_break()
        press(accountant, page_of(row) + "charge/")

        answer = accountant.post(page_of(row) + "suspense/", {"key": "k" * 30})

        assert answer.status_code == 409 and "resolved already" in answer.content.decode()

    def test_no_button_works_for_who_only_looks(self, bank, as_role):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        address = page_of(bank.only_break())

        for name in ("suspense", "write_off", "note", "evaluate", "match"):
            assert as_role("viewer").get(f"{address}{name}/").status_code == 403
            assert as_role("viewer").post(f"{address}{name}/", {"key": "k" * 30}).status_code == 403


class TestAnExpectation:
    def test_written_off_is_expected_again_when_that_is_taken_back(self, bank, merchant, accountant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.reconcile_now()
        bank.reconcile(as_of=AT.date() + timedelta(days=20))
        row = bank.only_break()
        bank.do(WriteOffBreak(bank.operator_id, row.id, "lost"), approved_by="staff:second")
        written_off = bank.expectation_of(payment).state

        shown = text_of(accountant, page_of(row))
        press(accountant, page_of(row) + "reopen/", reason="The bank found it")
        again = press_refused(accountant, page_of(row) + "reopen/")

        assert 'href="reopen/"' in shown and written_off == "written_off"
        assert bank.expectation_of(payment).state == "open" and bank.only_break().id == row.id
        assert again.status_code == 409


class TestMatchingByHand:
    def test_shows_what_is_proposed_and_matches_many_with_one(self, bank, merchant, accountant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-12_000, end_to_end="PARTONE", name="BV EXAMPLE SUPPLIES")
        bank.books(-8_000, end_to_end="PARTTWO")
        bank.reconcile()
        breaks = {row.line.amount_minor: row for row in bank.open_breaks() if row.line}
        ours = public_id("exp", bank.expectation_of(payment).id)
        address = page_of(breaks[-12_000]) + "match/"

        shown = text_of(accountant, address)
        lines = [public_id("stl", row.line_id) for row in breaks.values()]
        alone = press(accountant, address, line=lines[:1], ours=[ours], how="exact")
        together = press(accountant, address, line=lines, ours=[ours], how="exact", reason="one invoice")
        apply_matches(bank.account_id, actor=ACTOR, at=AT)

        assert ours in shown and all(one in shown for one in lines)
        assert alone.status_code == 422 and "do not have the same sum" in alone.content.decode()
        assert together.status_code == 302
        assert merchant.payment_state(payment) == "settled" and bank.open_breaks() == []

    def test_with_other_sums_waits_for_a_second_person(self, bank, merchant, accountant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-12_345, end_to_end="OTHER")
        bank.reconcile()
        row = next(one for one in bank.open_breaks() if one.line)
        ours = public_id("exp", bank.expectation_of(payment).id)

        answer = press(
            accountant,
            page_of(row) + "match/",
            line=[public_id("stl", row.line_id)],
            ours=[ours],
            how="force",
            reason="the bank's own mistake",
        )

        assert answer.status_code == 302 and merchant.payment_state(payment) == "sent"
        assert "second person" in text_of(accountant, answer["Location"])

    def test_is_narrowed_to_an_amount(self, bank, accountant):
        bank.books(5_000, remittance="?")
        bank.books(7_777, remittance="?")
        bank.reconcile()
        row = next(one for one in bank.open_breaks() if one.line.amount_minor == 5_000)

        page = text_of(accountant, page_of(row) + "match/?q=77.77")

        assert "77.77" in page.partition("The bank's")[2] or "77.77" in page

    @pytest.mark.parametrize("bad", ["stl_nonsense", "x" * 300, "brk_00000000000000000000000000"])
    def test_takes_no_nonsense(self, bank, accountant, bad):
        bank.books(5_000, remittance="?")
        bank.reconcile()

        answer = accountant.get(page_of(bank.only_break()) + "match/", {"line": bad})

        assert answer.status_code == 404


class TestADay:
    def test_is_closed_and_its_evidence_leaves_in_three_forms(self, bank, merchant, accountant):
        bank.books(12_345, remittance=merchant.account)
        bank.reconcile()

        before = text_of(accountant, day_page(bank))
        press(accountant, day_page(bank) + "close/")
        after = text_of(accountant, day_page(bank))
        pdf = accountant.get(day_page(bank) + "evidence.pdf")
        again = accountant.get(day_page(bank) + "evidence.pdf")
        html = accountant.get(day_page(bank) + "evidence.html")
        data = accountant.get(day_page(bank) + "evidence.json")

        assert "not closed yet" in before and "SHA-256" in after.upper()
        assert pdf.content.startswith(b"%PDF-") and pdf.content == again.content
        assert "123.45" in html.content.decode() and data.json()["closing"] == "123.45"
        assert "attachment" in pdf["Content-Disposition"]

    def test_with_open_breaks_says_why_it_stays_open(self, bank, accountant):
        bank.books(5_000, remittance="?")
        bank.reconcile()

        refused = press(accountant, day_page(bank) + "close/")
        accepted = press(accountant, day_page(bank) + "close/", accept_breaks="on")

        # Cash that is open is a break, not a drift: with the break accepted, the day may close.
        assert refused.status_code == 409 and "breaks_open" in refused.content.decode()
        assert accepted.status_code == 302

    def test_is_matched_again(self, bank, accountant):
        bank.books(5_000, remittance="?")
        bank.reconcile()

        answer = press(accountant, day_page(bank) + "evaluate/")

        assert answer.status_code == 302

    @pytest.mark.parametrize("day", ["2026-13-01", "x", "99999-01-01"])
    def test_that_is_none_is_not_there(self, bank, accountant, day):
        bank.reconcile_now()

        assert accountant.get(day_page(bank).replace(DAY, day)).status_code == 404


class TestARun:
    def test_shows_totals_and_drift(self, bank, merchant, accountant):
        bank.books(12_345, remittance=merchant.account)
        run = bank.reconcile()

        page = text_of(accountant, f"/console/runs/{run['id']}/")

        assert "123.45" in page and "bank and books agree" in page

    def test_leads_to_the_breaks_of_its_account_alone(self, bank, accountant):
        bank.books(5_000, remittance="?")
        run = bank.reconcile()
        other = open_bank()
        other.books(7_000, remittance="?")
        other.reconcile()

        page = text_of(accountant, f"/console/runs/{run['id']}/")
        link = re.search(r'href="(/console/breaks/[^"]*reason__exact=unexplained)"', page)[1]
        listed = text_of(accountant, link.replace("&amp;", "&"))

        assert "50.00" in listed and "70.00" not in listed


class TestFiles:
    def _open(self, bank):
        bank.books(5_000, remittance="a")
        bank.books(-300, remittance="b")
        bank.reconcile()
        return {row.difference_minor: public_id("brk", row.id) for row in bank.open_breaks()}

    def _upload(self, client, text):
        file = SimpleUploadedFile("breaks.csv", text.encode(), content_type="text/csv")
        return client.post("/console/break-files/", {"file": file})

    def test_are_previewed_and_then_done_together(self, bank, accountant):
        keys = self._open(bank)
        text = f"break,action,value\n{keys[5_000]},suspense,\n{keys[-300]},charge,\n"

        shown = self._upload(accountant, text)
        untouched = len(bank.open_breaks())
        key = re.search(r'name="key" value="([^"]+)"', shown.content.decode())[1]
        done = accountant.post("/console/break-files/", {"rows": text, "key": key, "do": "all"})
        apply_matches(bank.account_id, actor=ACTOR, at=AT)

        assert shown.status_code == 200 and untouched == 2 and done.status_code == 302
        assert bank.open_breaks() == [] and bank.cash() == bank.closing()

    def test_with_a_refused_row_do_nothing(self, bank, accountant):
        keys = self._open(bank)
        text = f"break,action,value\n{keys[5_000]},suspense,\n{keys[-300]},match,exp_none\n"

        shown = self._upload(accountant, text).content.decode()
        answer = accountant.post("/console/break-files/", {"rows": text, "key": "k" * 30, "do": "all"})

        assert "Rows are refused" in shown and answer.status_code == 422
        assert len(bank.open_breaks()) == 2

    @pytest.mark.parametrize(
        "text", ["", "a,b\n", "break,action,value\nbrk_x,suspense,\n", "break,action,value\n\x00,\x00,\n"]
    )
    def test_that_are_wrong_are_refused_with_a_reason(self, db, accountant, text):
        assert self._upload(accountant, text).status_code == 422

    def test_of_open_breaks_can_be_downloaded_and_sent_back(self, bank, accountant):
        self._open(bank)

        csv = accountant.get("/console/break-files/open.csv")
        answer = self._upload(accountant, csv.content.decode())

        assert csv.content.decode().startswith("break,action,value,reason")
        assert answer.status_code == 422  # no row has an action yet

    def test_are_not_taken_from_who_only_looks(self, db, as_role):
        assert self._upload(as_role("viewer"), "break,action,value\n").status_code == 403


class TestTheMatrix:
    def test_has_a_word_beside_each_colour_and_leads_to_the_day(self, bank, accountant, monkeypatch):
        monkeypatch.setattr("apps.console.pages.reconciliation_days.clock.database_now", lambda: AT)
        monkeypatch.setattr("apps.console.pages.reconciliation_days.ACCOUNTS_MAX", 10_000)
        bank.books(5_000, remittance="?")
        bank.reconcile()

        page = text_of(accountant, "/console/reconciliation/")

        assert f'href="{day_page(bank)}"><span class="state bad">1 break</span>' in page
