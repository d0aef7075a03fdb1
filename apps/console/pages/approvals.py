"""The approvals: what waits for a second person, what was decided, and the two decisions."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from apps.compliance.public import Approval, ApproveRequest, RejectRequest
from apps.console import badges, navigation
from apps.console.actions import Action, OptionalReasonForm, ReasonForm, confirm, offered
from apps.console.pages.search import place
from apps.console.seen import seen
from apps.console.site import SITE
from apps.console.tiles import Tile, tile
from apps.console.timeline import timeline_of
from apps.core.console import ReadOnlyAdmin, id_html, page_of, state_html, time_html
from apps.core.ids import public_id

READ, DECIDE = "approvals.read", "approvals.decide"

navigation.entry(
    "Overview", "Approvals", "/console/approvals/?state__exact=waiting", permission=READ, keys="a"
)
place("apr", "/console/approvals/{}/", READ)
Approval._meta.verbose_name_plural = "approvals"

APPROVE = Action(
    "approve",
    "Approve",
    DECIDE,
    "You approve this request; the command runs at once, in the name of its maker.",
    "Approved and done.",
    OptionalReasonForm,
)
REJECT = Action(
    "reject",
    "Reject",
    DECIDE,
    "You reject this request; nothing will be done, and its maker can read why.",
    "Rejected.",
    ReasonForm,
    danger=True,
)
ACTIONS = {APPROVE.name: APPROVE, REJECT.name: REJECT}


class ApprovalAdmin(ReadOnlyAdmin):
    """The inbox of whoever checks."""

    permission, slug, id_prefix = READ, "approvals", "apr"
    intro = "Commands that need a second person. Nobody can approve what they asked for themselves."
    list_display = ("request", "state_word", "maker", "made", "expires", "checker")
    list_filter = ("state", "command_name")

    @admin.display
    def request(self, row: Approval) -> str:
        """Show what was asked for, in words."""
        return in_words(row.command_name)

    @admin.display(description="state")
    def state_word(self, row: Approval) -> str:
        """Show the state."""
        return state_html(row.state)

    @admin.display
    def maker(self, row: Approval) -> str:
        """Show who asked."""
        return id_html(row.maker_id)

    @admin.display
    def made(self, row: Approval) -> str:
        """Show when."""
        return time_html(row.made_at)

    @admin.display
    def expires(self, row: Approval) -> str:
        """Show until when it can be decided."""
        return time_html(row.expires_at)

    @admin.display
    def checker(self, row: Approval) -> str:
        """Show who decided."""
        return id_html(row.checker_id)

    def more_urls(self) -> list[Any]:
        """Add the two decisions."""
        return [
            path("<str:object_id>/<slug:action>/", self.admin_site.admin_view(self.decide), name="decide")
        ]

    def object_page(self, request: HttpRequest, found: Approval) -> HttpResponse:
        """Show the request, its command and the decision, or the buttons for one."""
        mine = found.maker_id == request.actor.id  # type: ignore[attr-defined]
        waiting = found.state == Approval.State.WAITING
        facts = {
            **_facts(found),
            "state": state_html(found.state),
            "expires": found.expires_at,
            "decided by": id_html(found.checker_id, short=False),
            "decided": found.decided_at,
            "reason": found.reason,
            "answer": found.answer,
        }
        return self.page(
            request,
            "console/approval.html",
            title=in_words(found.command_name),
            facts=facts,
            mine=mine and waiting,
            actions=offered(request, list(ACTIONS.values())) if waiting and not mine else [],
            timeline=timeline_of(public_id("apr", found.id)),
        )

    def decide(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Confirm and carry out a decision. Raises Http404 for what is none."""
        if action in ("change", "delete", "history"):
            return self.refuse(request)
        found = seen(self, request, object_id)
        if action not in ACTIONS:
            raise Http404
        decision = ApproveRequest if action == "approve" else RejectRequest
        return confirm(
            request,
            ACTIONS[action],
            back=self.address(found.id),
            facts=_facts(found),
            build=lambda data: decision(found.organisation_id, public_id("apr", found.id), data["reason"]),
        )


def in_words(command_name: str) -> str:
    """Write the name of a command as words: payments.create_payout is "create payout"."""
    return command_name.rpartition(".")[2].replace("_", " ").capitalize()


def _facts(found: Approval) -> dict[str, Any]:
    return {
        "asked for by": id_html(found.maker_id, short=False),
        "asked": found.made_at,
        "about": id_html(found.target, url=page_of(found.target), short=False) if found.target else "",
        "command": f"{found.command_name} v{found.command_version}",
        "in full": json.loads(found.payload) if isinstance(found.payload, str) else found.payload,
    }


def waiting_count() -> int:
    """Count the requests that wait."""
    return Approval.objects.filter(state=Approval.State.WAITING).count()


SITE.register(Approval, ApprovalAdmin)
badges.BADGES.append(
    badges.Badge("to approve", "/console/approvals/?state__exact=waiting", DECIDE, waiting_count)
)


@tile(READ)
def approvals_tile() -> Tile:
    """Tell how many requests wait, and since when."""
    rows = Approval.objects.filter(state=Approval.State.WAITING)
    oldest = rows.order_by("made_at").first()
    more = f"oldest since {oldest.made_at:%d %b %H:%M} UTC" if oldest else "nobody waits"
    url = "/console/approvals/?state__exact=waiting"
    return Tile("Approvals waiting", rows.count(), url, more, "busy" if oldest else "good")
