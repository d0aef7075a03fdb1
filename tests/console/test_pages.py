"""What the pages show, what they hide, and what their buttons do."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.compliance.public import audit_of_object
from apps.console.site import SITE
from apps.core import ids, tenancy
from apps.core.console import ReadOnlyAdmin
from apps.core.money import Money
from apps.payments import public as payments
from tests import factories
from tests.console.world import do, open_world
from tests.processor import CardWorld

LISTS = sorted(listed.slug for listed in SITE._registry.values() if isinstance(listed, ReadOnlyAdmin))
QUERIES_MAX = 25
FORBIDDEN = re.compile(r'\sstyle="|<style|<script(?! src="/static/)|\son[a-z]+="|javascript:')


def text_of(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


class TestEveryPage:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "payments/",
            "ledger/",
            "journals/",
            "trial-balance/",
            "customers/",
            "accounts/",
            "events/",
            "processes/",
            "reconciliation/",
            "search/?q=1",
            "staff/",
            "audit/",
        ],
    )
    def test_keeps_the_content_policy_and_the_caches_out(self, world, as_role, path):
        answer = as_role("compliance_officer").get(f"/console/{path}")

        assert not FORBIDDEN.search(answer.content.decode())
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "no-store" in answer["Cache-Control"]

    def test_reads_in_a_transaction_that_cannot_write(self, world, as_role, monkeypatch):
        seen = []
        monkeypatch.setattr(
            "apps.console.tiles.tiles_for",
            lambda request: seen.append(_setting("transaction_read_only")) or [],
        )

        as_role("viewer").get("/console/")

        assert seen == ["on"]

    @pytest.mark.parametrize("slug", LISTS)
    def test_lists_ask_few_questions_however_many_rows(self, world, as_role, slug):
        client = as_role("administrator" if slug == "organisations" else "compliance_officer")
        client.get(f"/console/{slug}/")

        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(f"/console/{slug}/")

        assert len(asked) <= QUERIES_MAX
        listing = [one["sql"] for one in asked if f'FROM "{SITE_TABLES[slug]}"' in one["sql"]]
        assert not any("OFFSET" in sql for sql in listing)


SITE_TABLES = {
    listed.slug: model._meta.db_table
    for model, listed in SITE._registry.items()
    if isinstance(listed, ReadOnlyAdmin)
}


def _setting(name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


class TestLists:
    def test_page_by_key_and_come_to_an_end(self, world, as_role, monkeypatch):
        client, found, path = as_role("viewer"), [], "/console/payments/"
        monkeypatch.setattr(SITE.get_model_admin(payments.Payment), "list_per_page", 7)

        for _ in range(1_000):
            page = text_of(client, path)
            found += re.findall(r'href="/console/payments/([^"/?]+)/', page)
            older = re.search(r'href="(\?[^"]*)" rel="next"', page)
            if not older:
                break
            path = "/console/payments/" + older[1].replace("&amp;", "&")

        with tenancy.scope(tenancy.PLATFORM):
            everything = [
                str(key) for key in payments.payments().order_by("-id").values_list("id", flat=True)
            ]
        assert found == everything

    def test_filters_stand_in_the_address(self, world, as_role):
        page = text_of(as_role("viewer"), "/console/payments/?state__exact=settled&kind__exact=transfer")

        assert "State: settled" in page and "Kind: transfer" in page
        assert ">ordered<" not in page.partition("<table>")[2]


class TestAPayment:
    def test_shows_one_timeline_and_both_entries_of_its_journal(self, world, as_role):
        page = text_of(as_role("viewer"), f"/console/payments/{world.transfer}/")

        kinds = set(re.findall(r'<li data-kind="(\w+)"', page))
        assert {"state", "journal", "audit"} <= kinds
        assert page.count('class="card t-account"') == 2
        assert page.count("1,234.56") >= 4

    def test_shows_only_buttons_that_are_legal_and_allowed(self, world, as_role):
        def buttons(role, payment):
            return set(
                re.findall(
                    r'href="(approve|decline|cancel)/"',
                    text_of(as_role(role), f"/console/payments/{payment}/"),
                )
            )

        assert buttons("approver", world.payout) == {"approve", "decline"}
        assert buttons("operator", world.payout) == {"cancel"}
        assert buttons("viewer", world.payout) == buttons("approver", world.transfer) == set()

    def test_is_approved_through_the_one_door_once(self, logged_in):
        world, client = open_world(), logged_in("approver")
        path = f"/console/payments/{world.payout}/"
        form = text_of(client, path + "approve/")
        key = re.search(r'name="key" value="([^"]+)"', form)[1]

        first = client.post(path + "approve/", {"key": key})
        second = client.post(path + "approve/", {"key": key})

        assert first.status_code == second.status_code == 302
        with tenancy.scope(tenancy.PLATFORM):
            row = payments.payment(ids.parse_public_id("pay", world.payout))
            done = [one for one in audit_of_object(world.payout) if one.action == "payments.approve_payment"]
        assert row.state == "approved" and row.approved_by == f"staff:{client.user.public_id}"
        assert len(done) == 1

    def test_by_card_under_review_is_led_out_by_who_resolves(self, db, as_role, logged_in):
        cards, merchant = CardWorld(), factories.merchant(accounts_count=1)
        key = cards.pay(merchant, "tok_wrong_amount")
        path = f"/console/payments/{ids.public_id('pay', key)}/"
        client = logged_in("approver")
        page = text_of(client, path)
        form = text_of(client, path + "abandon/")
        token = re.search(r'name="key" value="([^"]+)"', form)[1]
        answer = client.post(path + "abandon/", {"key": token, "reason": "not what was asked"})

        assert set(re.findall(r'href="(resume|abandon)/"', page)) == {"resume", "abandon"}
        assert not re.findall(r'href="(resume|abandon)/"', text_of(as_role("operator"), path))
        assert answer.status_code == 302
        assert cards.state(key) == "cancelled"

    def test_is_not_approved_by_a_role_that_only_makes(self, world, as_role):
        path = f"/console/payments/{world.payout}/approve/"

        assert as_role("operator").get(path).status_code == 403
        assert as_role("operator").post(path, {"key": "x" * 30}).status_code == 403

    def test_is_not_approved_by_whoever_ordered_it(self, logged_in):
        world, client = open_world(), logged_in("approver")
        with tenancy.scope(tenancy.PLATFORM):
            debtor = ids.parse_public_id("acc", world.account)
        from dataclasses import replace

        from apps.core.actors import system_actor

        maker = replace(system_actor("x"), kind="staff", id=client.user.public_id)
        mine = do(
            payments.CreatePayout(
                world.organisation_id,
                debtor,
                Money(100, "EUR"),
                payments.Creditor("Anna Berg", "FR1420041010050500013M02606"),
            ),
            actor=maker,
        )["id"]

        answer = client.post(f"/console/payments/{mine}/approve/", {"key": "k" * 30})

        assert answer.status_code == 403
        assert "Whoever ordered a payment cannot approve it" in answer.content.decode()

    def test_that_moved_on_refuses_a_late_button_in_words(self, logged_in):
        world, client = open_world(), logged_in("approver")
        path = f"/console/payments/{world.payout}/"
        client.post(path + "decline/", {"key": "k" * 30, "reason": "Not known here"})

        answer = client.post(path + "approve/", {"key": "l" * 30})

        assert answer.status_code == 409
        assert "not in a state" in answer.content.decode()


class TestPersonalData:
    NAME, IBAN = "Anna Berg", "FR1420041010050500013M02606"

    def test_is_masked_for_everybody(self, world, as_role):
        for role in ("viewer", "operator", "compliance_officer"):
            page = text_of(as_role(role), f"/console/payments/{world.payout}/")
            assert self.NAME not in page and self.IBAN not in page and "Deposit back" not in page
            assert "Maria Schmidt" not in text_of(as_role(role), "/console/customers/")

    def test_is_shown_once_for_a_reason_that_the_audit_log_keeps(self, world, logged_in):
        client = logged_in("operator")
        path = f"/console/payments/{world.payout}/reveal/"

        answer = client.post(path, {"key": "k" * 30, "reason": "The customer asks by telephone"})

        assert self.NAME in answer.content.decode() and self.IBAN in answer.content.decode()
        assert self.NAME not in text_of(client, f"/console/payments/{world.payout}/")
        with tenancy.scope(tenancy.PLATFORM):
            entry = next(
                one for one in audit_of_object(world.payout) if one.action == "console.reveal_personal_data"
            )
        assert entry.actor == f"staff:{client.user.public_id}"
        assert entry.data["reason"] == "The customer asks by telephone"

    @pytest.mark.parametrize("reason", ["", "short", "          "])
    def test_is_not_shown_without_a_reason(self, world, as_role, reason):
        answer = as_role("operator").post(
            f"/console/customers/{world.customer}/reveal/", {"key": "k" * 30, "reason": reason}
        )

        assert "Maria Schmidt" not in answer.content.decode()

    def test_is_not_shown_to_a_role_that_does_not_need_it(self, world, as_role):
        for kind, key in (("payments", world.payout), ("customers", world.customer)):
            answer = as_role("viewer").post(
                f"/console/{kind}/{key}/reveal/", {"key": "k" * 30, "reason": "out of curiosity"}
            )
            assert answer.status_code == 403


class TestTheBooks:
    def test_trial_balance_is_even_and_leaves_as_csv(self, world, as_role):
        client = as_role("ledger_accountant")
        page = text_of(client, "/console/trial-balance/")
        rows = client.get("/console/trial-balance/?format=csv").content.decode().splitlines()[1:]

        debit, credit = (
            sum(Money.parse(row.split(",")[-back], "EUR").minor for row in rows) for back in (2, 1)
        )
        assert "debits = credits" in page
        assert debit == credit > 0

    def test_account_page_runs_a_balance_and_knows_past_days(self, world, as_role):
        client = as_role("viewer")
        account = re.search(
            r'href="/console/ledger/(\d+)/">T-account', text_of(client, f"/console/accounts/{world.account}/")
        )[1]

        page = text_of(client, f"/console/ledger/{account}/?as_of=2020-01-01")

        assert "11,265.44" in page and "12,500.00" in page
        assert "0.00" in page.partition("effective through")[2].partition("</form>")[0]

    def test_journal_page_says_that_it_balances(self, world, as_role):
        client = as_role("viewer")
        seq = re.search(r"/console/journals/(\d+)/", text_of(client, f"/console/payments/{world.transfer}/"))[
            1
        ]

        page = text_of(client, f"/console/journals/{seq}/")

        assert page.count('<tr class="entry">') == 2
        assert "balanced" in page and world.transfer in page


class TestSearch:
    def test_opens_what_is_found_alone(self, world, as_role):
        client = as_role("viewer")
        for text in (world.transfer, f" {world.transfer} "):
            assert (
                client.get("/console/search/", {"q": text})["Location"]
                == f"/console/payments/{world.transfer}/"
            )

    def test_finds_end_to_end_ids_ibans_and_amounts(self, world, as_role):
        client = as_role("viewer")
        with tenancy.scope(tenancy.PLATFORM):
            row = payments.payment(ids.parse_public_id("pay", world.transfer))
            from apps.accounts import public as accounts

            iban = accounts.payment_account(row.account_id).iban
        spaced = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))

        assert client.get("/console/search/", {"q": row.end_to_end_id})["Location"].endswith(
            f"{world.transfer}/"
        )
        assert client.get("/console/search/", {"q": spaced})["Location"].endswith(f"{world.account}/")
        for amount in ("1234.56", "1,234.56 EUR", "1234.56 eur"):
            hits = client.get("/console/search/hits/", {"q": amount}).json()["hits"]
            assert any(world.transfer in hit["url"] for hit in hits)

    def test_hides_what_the_role_does_not_open(self, world, as_role):
        assert as_role("administrator").get("/console/search/hits/", {"q": world.transfer}).json() == {
            "hits": []
        }

    @pytest.mark.parametrize(
        "text", ["", "ab", "\0\0\0", "x" * 10_000, "' OR 1=1 --", "9" * 200, "1" * 19 + ".00", "💶💶💶"]
    )
    def test_takes_anything(self, world, as_role, text):
        assert as_role("viewer").get("/console/search/", {"q": text}).status_code in (200, 302)
