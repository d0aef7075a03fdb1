"""Orders, mandates, collections, disputes and accounts on their pages: what is shown, who may press what."""

import re

import pytest

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands.bulk_decisions import BulkAnswer, RecordBulkVerification
from apps.payments.models import Payment
from tests import factories
from tests.console.moving import bulk_order, disputed, moving, standing_order, state_of
from tests.factories import PayoutFactory, do
from tests.integration.payments.collecting import collector, payment


@pytest.fixture
def merchant(db):
    return factories.merchant(accounts_count=2, funded_minor=1_000_000)


def text_of(client, address):
    answer = client.get(f"/console/{address}")
    assert answer.status_code == 200, address
    return answer.content.decode()


def press(client, address, **data):
    """Open a confirmation and send its form."""
    key = re.search(r'name="key" value="([^"]+)"', text_of(client, address))[1]
    return client.post(f"/console/{address}", {"key": key, **data})


def buttons(client, address):
    """Name the buttons of an object's page."""
    head = text_of(client, address).partition('<div class="doing">')[2].partition("</div>")[0]
    return re.findall(r'href="([a-z]+)/"', head)


class TestBulkOrders:
    def test_show_their_lines_with_payees_masked(self, merchant, as_role):
        order = bulk_order(merchant)

        text = text_of(as_role("viewer"), f"bulk-orders/{order}/")

        assert text.count("A… B…") == 3 and "Anna Berg" not in text
        assert "3 ordered" in text and "order: new → ordered" in text

    def test_are_found_by_reference_and_filtered_by_state(self, merchant, as_role):
        order = bulk_order(merchant)
        with tenancy.scope(tenancy.PLATFORM):
            from apps.payments.models_orders import BulkOrder

            row = BulkOrder.objects.get(pk=parse_public_id("blk", order))

        found = text_of(as_role("viewer"), f"bulk-orders/?q={row.reference}&state__exact=ordered")
        other = text_of(as_role("viewer"), f"bulk-orders/?q={row.reference}&state__exact=approved")
        lines = text_of(as_role("viewer"), f"payments/?bulk_order_id={row.pk}")

        assert (row.reference in found, f'<td class="field-reference">{row.reference}' in other) == (
            True,
            False,
        )
        assert lines.count("W-") >= 3

    def test_offer_to_each_role_what_it_may(self, merchant, as_role):
        address = f"bulk-orders/{bulk_order(merchant)}/"

        assert buttons(as_role("approver"), address) == ["approve", "decline"]
        assert buttons(as_role("operator"), address) == ["cancel"]
        assert buttons(as_role("viewer"), address) == []
        assert as_role("viewer").get(f"/console/{address}approve/").status_code == 403
        assert as_role("operator").post(f"/console/{address}approve/", {"key": "k" * 30}).status_code == 403

    def test_are_approved_by_a_second_person_and_their_payments_with_them(self, merchant, as_role):
        order = bulk_order(merchant)

        answer = press(as_role("approver"), f"bulk-orders/{order}/approve/")

        assert (answer.status_code, state_of(order)) == (302, "approved")
        with tenancy.scope(tenancy.PLATFORM):
            rows = Payment.objects.filter(bulk_order_id=parse_public_id("blk", order))
            assert {row.state for row in rows} == {"approved"}
        again = as_role("approver").post(f"/console/bulk-orders/{order}/approve/", {"key": "k" * 30})
        assert again.status_code == 409 and "illegal_transition" in again.content.decode()

    def test_are_declined_for_a_reason_and_cancelled_without(self, merchant, as_role):
        first, second = bulk_order(merchant), bulk_order(merchant)

        press(as_role("approver"), f"bulk-orders/{first}/decline/", reason="Twice")
        press(as_role("operator"), f"bulk-orders/{second}/cancel/")

        assert (state_of(first), state_of(second)) == ("declined", "cancelled")
        assert merchant.balance().held == 0


class TestABulkOrderWhosePayeesAreVerified:
    @pytest.fixture
    def order(self, merchant):
        do(payments.SetPayoutPolicy(merchant.id, Money(1, "EUR"), verify_payee=True))
        return bulk_order(merchant)

    def answer(self, merchant, order, result="no_match"):
        key = parse_public_id("blk", order)
        with tenancy.scope(tenancy.PLATFORM):
            payees = set(Payment.objects.filter(bulk_order_id=key).values_list("counterparty_id", flat=True))
        answers = tuple(BulkAnswer(payee, result, "tests") for payee in payees)
        do(RecordBulkVerification(merchant.id, key, answers))

    def test_is_approved_with_what_the_page_showed(self, merchant, order, as_role):
        address = f"bulk-orders/{order}/approve/"
        self.answer(merchant, order)
        page = text_of(as_role("approver"), address)
        seen = re.search(r'name="verification" value="([0-9a-f]{64})"', page)[1]

        answer = press(as_role("approver"), address, verification=seen)

        assert "1 no match" in page and "1 no match" in text_of(as_role("viewer"), f"bulk-orders/{order}/")
        assert (answer.status_code, state_of(order)) == (302, "approved")

    def test_is_not_approved_with_other_findings_or_none(self, merchant, order, as_role):
        address = f"bulk-orders/{order}/approve/"
        unanswered = press(as_role("approver"), address)
        self.answer(merchant, order, "match")
        page = text_of(as_role("approver"), address)
        seen = re.search(r'name="verification" value="([0-9a-f]{64})"', page)[1]
        self.answer(merchant, order)

        changed = press(as_role("approver"), address, verification=seen)

        assert "unanswered" in unanswered.content.decode() and "changed" in changed.content.decode()
        assert state_of(order) == "ordered"


class TestStandingOrders:
    def test_are_approved_paused_resumed_and_cancelled(self, merchant, as_role):
        order = standing_order(merchant)
        address = f"standing-orders/{order}/"
        operator, seen = as_role("operator"), []

        for client, button in (
            (as_role("approver"), "approve"), (operator, "pause"), (operator, "resume"), (operator, "cancel"),
        ):  # fmt: skip
            assert button in buttons(client, address)
            press(client, f"{address}{button}/")
            seen.append(state_of(order))

        assert seen == ["active", "paused", "active", "cancelled"]
        assert buttons(operator, address) == []
        text = text_of(as_role("viewer"), address)
        assert "A… B…" in text and "Anna Berg" not in text
        assert "pause: active → paused" in text

    def test_are_not_approved_by_who_may_only_order(self, merchant, as_role):
        order = standing_order(merchant)

        assert buttons(as_role("operator"), f"standing-orders/{order}/") == ["cancel"]
        assert as_role("operator").get(f"/console/standing-orders/{order}/approve/").status_code == 403


class TestMandates:
    def test_are_signed_suspended_resumed_and_cancelled(self, as_role, db):
        key = collector().mandate(signed_on=None)
        mandate, operator, seen = public_id("mdt", key), as_role("operator"), []

        for button, data in (
            ("sign", {"signed_on": "2026-05-04"}), ("suspend", {"reason": "moved"}), ("resume", {}), ("cancel", {}),
        ):  # fmt: skip
            press(operator, f"mandates/{mandate}/{button}/", **data)
            seen.append(state_of(mandate))

        assert seen == ["active", "suspended", "active", "cancelled"]
        assert buttons(operator, f"mandates/{mandate}/") == []

    def test_show_what_was_collected_and_their_debtor_masked_until_a_reason(self, as_role, db):
        mine = collector()
        key = mine.mandate()
        collected = mine.collect(key)
        mandate = public_id("mdt", key)

        text = text_of(as_role("operator"), f"mandates/{mandate}/")
        revealed = press(
            as_role("operator"), f"mandates/{mandate}/reveal/", reason="The debtor has called us"
        )

        assert payment(collected).end_to_end_id in text
        assert "H… B…" in text and "Helena Brandt" not in text
        assert "Helena Brandt" in revealed.content.decode()
        assert as_role("viewer").get(f"/console/mandates/{mandate}/reveal/").status_code == 403

    def test_are_changed_by_nobody_who_only_looks(self, as_role, db):
        mandate = public_id("mdt", collector().mandate())

        for role in ("viewer", "approver", "compliance_officer"):
            assert buttons(as_role(role), f"mandates/{mandate}/") == []
            assert (
                as_role(role).post(f"/console/mandates/{mandate}/cancel/", {"key": "k" * 30}).status_code
                == 403
            )
        assert state_of(mandate) == "active"


class TestCollections:
    def test_are_listed_by_state_and_mandate_and_lead_to_their_payment(self, as_role, db, tmp_path):
        mine = collector()
        mandate = mine.mandate()
        key = mine.collect(mandate)
        mine.send(key, tmp_path)
        name = payment(key).end_to_end_id
        short = f"{name[:8]}…{name[-6:]}"

        here = text_of(as_role("viewer"), f"collections/?mandate_id={mandate}&state=sent")
        elsewhere = text_of(as_role("viewer"), f"collections/?mandate_id={mandate}&state=settled")
        page = text_of(as_role("viewer"), f"collections/{public_id('pay', key)}/")

        assert (short in here, short in elsewhere) == (True, False)
        assert f"/console/payments/{public_id('pay', key)}/" in page and "Example Gym GmbH" in page


class TestDisputes:
    def test_are_contested_with_evidence_once(self, as_role, db):
        key, _ = disputed()
        operator = as_role("operator")
        assert buttons(operator, f"disputes/{key}/") == ["submit", "accept"]

        press(operator, f"disputes/{key}/submit/", text="Signed delivery note 4711")

        assert state_of(key) == "contested"
        text = text_of(operator, f"disputes/{key}/")
        assert "delivery note" not in text and "submit: opened → contested" in text
        assert buttons(operator, f"disputes/{key}/") == []

    def test_refuse_card_numbers_in_the_evidence(self, as_role, db):
        key, _ = disputed()

        answer = press(as_role("operator"), f"disputes/{key}/submit/", text="Card 4111 1111 1111 1111")

        assert answer.status_code == 422 and "card" in answer.content.decode()
        assert state_of(key) == "opened"

    def test_are_accepted_by_an_operator_and_by_nobody_else(self, as_role, db):
        key, _ = disputed()

        assert as_role("approver").get(f"/console/disputes/{key}/accept/").status_code == 403
        press(as_role("operator"), f"disputes/{key}/accept/")

        assert state_of(key) == "accepted"


class TestCardPayments:
    def test_show_what_was_done_at_the_processor_and_lead_to_the_dispute(self, as_role, db):
        about, key = disputed()

        text = text_of(as_role("viewer"), f"payments/{public_id('pay', key)}/")
        part = text.partition('id="card"')[2].partition("</section>")[0]

        assert [word in part for word in ("attempt 1", "capture", "fraudulent")] == [True] * 3
        assert f"/console/go/{about}" in part and "tok_" not in text


class TestAccounts:
    def status(self, merchant, index=0):
        with tenancy.scope(merchant.id):
            return accounts.payment_account(merchant.accounts[index]).status

    def address(self, merchant, index=0):
        return f"accounts/{public_id('acc', merchant.accounts[index])}/"

    def test_are_blocked_for_a_reason_and_opened_again(self, merchant, as_role):
        operator, address = as_role("operator"), self.address(merchant)

        press(operator, f"{address}block/", reason="suspected_fraud")
        blocked = self.status(merchant), buttons(operator, address)
        press(operator, f"{address}unblock/")

        assert blocked == ("blocked", ["unblock"])
        assert self.status(merchant) == "open"

    def test_are_not_blocked_without_one_of_the_reasons(self, merchant, as_role):
        answer = press(as_role("operator"), f"{self.address(merchant)}block/", reason="just so")

        assert (answer.status_code, self.status(merchant)) == (200, "open")

    def test_are_closed_when_they_are_empty_and_say_what_stands_against_it(self, merchant, as_role):
        operator = as_role("operator")
        do(PayoutFactory(organisation_id=merchant.id, account_id=merchant.accounts[0]))

        refused = press(operator, f"{self.address(merchant)}close/")
        closed = press(operator, f"{self.address(merchant, 1)}close/")

        assert refused.status_code == 409 and "account_not_empty" in refused.content.decode()
        assert "payments" in text_of(operator, self.address(merchant)).partition("Under way")[2][:200]
        assert (closed.status_code, self.status(merchant, 1)) == (302, "closed")
        assert buttons(operator, self.address(merchant, 1)) == []

    def test_are_changed_by_nobody_who_may_not(self, merchant, as_role):
        for role in ("viewer", "approver", "ledger_accountant", "compliance_officer"):
            assert buttons(as_role(role), self.address(merchant)) == []
            post = as_role(role).post(
                f"/console/{self.address(merchant)}block/", {"key": "k" * 30, "reason": "other"}
            )
            assert post.status_code == 403
        assert self.status(merchant) == "open"


def test_every_one_of_them_opens_for_whoever_reads(as_role, db, tmp_path):
    for address in moving(tmp_path).pages.values():
        assert text_of(as_role("viewer"), address)
