"""What staff do about breaks: resolve, match by hand, assign, note, match again, take a match back.

Each is an Action on a break or a match; what it books is the command's business, and what needs two
persons waits in the approvals.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from apps.console.actions import Action, ConfirmForm, ReasonForm, run
from apps.console.pages.reconciliation_days import EVALUATE, WRITE, account_name, may_work
from apps.console.site import SITE
from apps.core import clock, codec, tenancy
from apps.core.commands import Command
from apps.core.errors import Refusal
from apps.core.ids import BadId, parse_public_id, public_id
from apps.core.money import Money
from apps.reconciliation.public import (
    TOLERANCE_MINOR_MAX,
    AcceptWithinTolerance,
    AssignBreak,
    BookBreakAsCharge,
    BookBreakToSuspense,
    Break,
    ForceMatch,
    Match,
    MatchByHand,
    NoteBreak,
    Reconcile,
    ReopenBreak,
    UndoMatch,
    WriteOffBreak,
    workbench,
)

SEARCH_MAX = 60


class OwnerForm(ConfirmForm):
    """Who looks after a break."""

    owner = forms.CharField(max_length=120, strip=True, required=False, label="Looked after by")


class NoteForm(ConfirmForm):
    """A note, kept sealed."""

    note = forms.CharField(max_length=2_000, strip=True, widget=forms.Textarea(attrs={"rows": 4}))


ASSIGN = Action(
    "assign", "Assign", WRITE, "Say who looks after this break; nobody if left empty.", "Assigned.", OwnerForm
)
NOTE = Action(
    "note",
    "Add a note",
    WRITE,
    "The note is kept sealed, with its author and time.",
    "The note is kept.",
    NoteForm,
)
SUSPENSE = Action(
    "suspense",
    "Book to suspense",
    WRITE,
    "The bank's line is booked between cash and suspense, until somebody explains it. It can be taken back.",
    "Booked to suspense.",
)
CHARGE = Action(
    "charge",
    "Book as a charge",
    WRITE,
    "The bank's line is booked as what the bank charges. It can be taken back.",
    "Booked as a charge.",
)
WRITE_OFF = Action(
    "write_off",
    "Write off",
    WRITE,
    "The line is given up and posted as an expense; an expectation is no longer waited for.",
    "Written off.",
    ReasonForm,
    danger=True,
)
UNDO = Action(
    "undo",
    "Take back",
    WRITE,
    "Both sides are open again, and what the match posted itself is reversed by journals of its own.",
    "The match was taken back.",
    ReasonForm,
    danger=True,
)
REOPEN = Action(
    "reopen",
    "Wait for it again",
    WRITE,
    "What was written off is expected again, and the break is open again.",
    "It is expected again.",
    ReasonForm,
)
ACTIONS = {one.name: one for one in (SUSPENSE, CHARGE, WRITE_OFF, ASSIGN, NOTE, EVALUATE, REOPEN)}
COMMANDS: dict[str, Callable[[Break, dict[str, Any]], Command]] = {
    "suspense": lambda row, data: BookBreakToSuspense(row.organisation_id, row.id),
    "charge": lambda row, data: BookBreakAsCharge(row.organisation_id, row.id),
    "write_off": lambda row, data: WriteOffBreak(row.organisation_id, row.id, data["reason"]),
    "assign": lambda row, data: AssignBreak(row.organisation_id, row.id, data["owner"]),
    "note": lambda row, data: NoteBreak(row.organisation_id, row.id, data["note"]),
    "reopen": lambda row, data: ReopenBreak(row.organisation_id, row.id, data["reason"]),
    "evaluate": lambda row, data: Reconcile(None, row.bank_account_id, clock.database_now().date()),
}
KEYS = {
    "suspense": "s",
    "charge": "c",
    "write_off": "w",
    "assign": "a",
    "note": "n",
    "evaluate": "e",
    "reopen": "o",
    "match": "m",
}
"""The letter that presses each button of a break's page."""


def legal(row: Break) -> list[str]:
    """Name the actions that a break in its state allows."""
    if row.state != "open":
        written_off = row.line is None and row.resolution == "written_off"
        return ["reopen"] if written_off else []
    if row.line is not None and row.line.state == "open":
        return [name for name in ACTIONS if name != "reopen"]
    if row.expectation is not None and row.expectation.state == "open":
        return ["write_off", "assign", "note", "evaluate"]
    return ["assign", "note", "evaluate"]


def may_match(row: Break) -> bool:
    """Tell whether something of the break is still open to be matched by hand."""
    sides = (row.line, row.expectation)
    return row.state == "open" and any(side is not None and side.state == "open" for side in sides)


def undo(match: Match, data: dict[str, Any]) -> Command:
    """Build the command that takes a match back."""
    return UndoMatch(match.organisation_id, match.id, data["reason"])


class MatchForm(ConfirmForm):
    """A match by hand: both sides and how."""

    reason = forms.CharField(max_length=200, strip=True, required=False)
    how = forms.ChoiceField(choices=[(name, name) for name in ("exact", "tolerance", "force")])


def match_page(request: HttpRequest, row: Break, *, back: str) -> HttpResponse:
    """Offer the open items of both sides, and match those that are chosen."""
    if not may_work(request):
        raise PermissionDenied
    if not may_match(row):
        raise Http404
    posted = request.POST if request.method == "POST" else None
    chosen = _chosen(request, row)
    form = MatchForm(posted, initial={"key": secrets.token_urlsafe(24)})
    refusal: Refusal | None = None
    if posted is not None and form.is_valid():
        try:
            outcome = run(
                request, _match_command(row, form.cleaned_data, *chosen), key=form.cleaned_data["key"]
            )
        except Refusal as error:
            refusal = error
            form = MatchForm(initial={**form.cleaned_data, "key": secrets.token_urlsafe(24)})
        else:
            if outcome.status == "pending_approval":
                messages.warning(request, "The sums differ: this waits in the approvals for a second person.")
            else:
                messages.success(request, "Matched. What it books follows at once.")
            return HttpResponseRedirect(back)
    with tenancy.scope(tenancy.PLATFORM):
        context = _match_context(request, row, chosen)
    whole = {
        **SITE.each_context(request),
        **context,
        "title": "Match by hand",
        "back": back,
        "form": form,
        "refusal": refusal,
        "refusal_facts": codec.to_data(refusal.facts) if refusal else {},
    }
    return TemplateResponse(
        request, "console/match_by_hand.html", whole, status=refusal.status if refusal else 200
    )


def _chosen(request: HttpRequest, row: Break) -> tuple[set[UUID], set[UUID]]:
    """Read which boxes are ticked: at first the break's own line and expectation, or a proposal."""
    data = request.POST if request.method == "POST" else request.GET
    lines, ours = _keys("stl", data.getlist("line")), _keys("exp", data.getlist("ours"))
    if request.method != "POST":
        lines |= {row.line_id} if row.line_id else set()
        ours |= {row.expectation_id} if row.expectation_id and not ours else set()
    return lines, ours


def _keys(prefix: str, texts: list[str]) -> set[UUID]:
    try:
        return {parse_public_id(prefix, text) for text in texts}
    except BadId:
        raise Http404 from None


def _match_command(row: Break, data: dict[str, Any], lines: set[UUID], ours: set[UUID]) -> Command:
    kind = {"exact": MatchByHand, "tolerance": AcceptWithinTolerance, "force": ForceMatch}[data["how"]]
    return kind(
        row.organisation_id,
        bank_account_id=row.bank_account_id,
        line_ids=tuple(sorted(lines)),
        expectation_ids=tuple(sorted(ours)),
        reason=data["reason"],
    )


def _match_context(request: HttpRequest, row: Break, chosen: tuple[set[UUID], set[UUID]]) -> dict[str, Any]:
    text = request.GET.get("q", "").strip()[:SEARCH_MAX]
    choice = workbench.choice_for(row, text)
    return {
        "found": row,
        "q": "",
        "narrowed": text,
        "account": account_name(row.bank_account),
        "lines": [
            (one, public_id("stl", one.id), Money(one.amount_minor, one.currency), one.id in chosen[0])
            for one in choice.lines
        ],
        "expectations": [
            (
                one,
                public_id("exp", one.id),
                Money(one.amount_minor, one.currency),
                one.id in chosen[1],
                proposal,
            )
            for one, proposal in choice.expectations
        ],
        "tolerance": Money(TOLERANCE_MINOR_MAX, row.currency),
        "currency": row.currency,
    }
