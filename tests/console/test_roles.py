"""Which role opens which page, and that no list can be written to."""

import pytest

from apps.accounts.public import ROLES
from apps.console.navigation import ENTRIES
from apps.console.site import SITE
from apps.core.console import ReadOnlyAdmin

LISTS = {listed.slug: listed for listed in SITE._registry.values() if isinstance(listed, ReadOnlyAdmin)}
MONEY = {
    "payments",
    "approvals",
    "audit",
    "events",
    "dead-events",
    "statements",
    "runs",
    "breaks",
    "accounts",
    "customers",
    "mandates",
    "collections",
    "bulk-orders",
    "standing-orders",
    "disputes",
}


def needed() -> dict[str, str]:
    """Give each page's address and the permission that opens it."""
    pages = {entry.url.partition("?")[0]: entry.permission for entry in ENTRIES}
    return pages | {f"/console/{slug}/": listed.permission for slug, listed in LISTS.items()}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_opens_the_pages_it_holds_the_permission_for_and_no_others(world, as_role, role):
    client, permissions = as_role(role), ROLES[role].permissions

    opened = {url: client.get(url).status_code for url in needed()}

    assert opened == {
        url: 200 if not permission or permission in permissions else 403
        for url, permission in needed().items()
    }


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_side_bar_offers_only_what_opens(world, as_role, role):
    client = as_role(role)
    page = client.get("/console/").content.decode()
    side = page.partition('<nav class="side"')[2].partition("</nav>")[0]

    for url, permission in needed().items():
        shown = f'href="{url}' in side
        assert not shown or not permission or permission in ROLES[role].permissions


def test_every_list_of_money_is_there():
    assert MONEY <= set(LISTS)


@pytest.mark.parametrize("slug", sorted(LISTS))
@pytest.mark.parametrize("action", ["add/", "{id}/change/", "{id}/delete/", "{id}/history/"])
def test_no_list_can_be_added_to_changed_or_deleted_from(world, as_role, slug, action):
    client = as_role("compliance_officer" if slug != "organisations" else "administrator")
    address = f"/console/{slug}/{action.format(id='01a20e27-aabb-72b0-902d-1381e6e83128')}"

    assert client.get(address).status_code == 403
    assert client.post(address, {"_save": "1"}).status_code == 403


@pytest.mark.parametrize("slug", sorted(LISTS))
def test_no_list_or_object_takes_a_post(world, as_role, slug):
    client = as_role("compliance_officer")

    assert (
        client.post(f"/console/{slug}/", {"action": "delete_selected", "_selected_action": "1"}).status_code
        == 403
    )
    assert (
        client.post(f"/console/{slug}/01a20e27-aabb-72b0-902d-1381e6e83128/", {"_save": "1"}).status_code
        == 403
    )


@pytest.mark.parametrize("slug", sorted(LISTS))
@pytest.mark.parametrize(
    "text", ["nonsense", "pay_" + "z" * 26, "%00", "9" * 400, "01a20e27-aabb-72b0-902d-1381e6e83199"]
)
def test_what_does_not_exist_is_a_404(world, as_role, slug, text):
    role = "administrator" if slug == "organisations" else "compliance_officer"

    assert as_role(role).get(f"/console/{slug}/{text}/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "cursor=%ff",
        "cursor=bm90IGEga2V5",
        "state__exact=%00",
        "nonsense=1",
        "password__startswith=a",
        "q=%00",
        "p=x&o=1.2.3",
    ],
)
def test_bad_queries_are_refused_without_a_trace(world, as_role, query):
    assert as_role("viewer").get(f"/console/payments/?{query}").status_code in (200, 302, 400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "ledger/999999999999/",
        "journals/999999999999/",
        "journals/99999999999999999999999/",
        "ledger/1/?as_of=31.12.2026",
        "ledger/1/?after=x",
        "ledger/?organisation=org_1",
        "go/zzz_1/",
        "nowhere/",
    ],
)
def test_bad_addresses_are_pages_too(world, as_role, path):
    answer = as_role("viewer").get(f"/console/{path}")

    assert answer.status_code in (400, 404, 422)
    assert "To the console" in answer.content.decode()
