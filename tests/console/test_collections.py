"""Collections on the pages that show payments."""

from apps.core.ids import public_id
from tests.integration.payments.collecting import collector, payment


def test_are_shown_with_their_debtor_masked(db, as_role, tmp_path):
    merchant = collector()
    key = merchant.collect(merchant.mandate(), remittance="Membership in May")
    merchant.send(key, tmp_path)
    merchant.settle(key)
    merchant.shows_return(key)
    client = as_role("operator")

    listed = client.get(f"/console/payments/?kind__exact=collection&q={payment(key).end_to_end_id}")
    page = client.get(f"/console/payments/{public_id('pay', key)}/")

    assert (listed.status_code, page.status_code) == (200, 200)
    assert payment(key).end_to_end_id in listed.content.decode()
    text = page.content.decode()
    assert "returned" in text and "AM04" in text
    assert "Helena Brandt" not in text and "DE02120300000000202051" not in text
