"""Buttons: each asks once more, then builds one command and hands it to the one door for writes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from apps.console import access
from apps.console.site import SITE
from apps.core import clock, codec
from apps.core.commands import Command, Outcome, execute
from apps.core.errors import Refusal


class ConfirmForm(forms.Form):
    """What every confirmation carries: the key that makes sending the form twice do the thing once."""

    key = forms.RegexField(r"^[A-Za-z0-9_-]{20,60}$", widget=forms.HiddenInput)


class ReasonForm(ConfirmForm):
    """A confirmation that asks why."""

    reason = forms.CharField(max_length=300, strip=True, widget=forms.Textarea(attrs={"rows": 3}))


class OptionalReasonForm(ReasonForm):
    """A confirmation that may be told why."""

    reason = forms.CharField(
        max_length=300, strip=True, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


@dataclass(frozen=True)
class Action:
    """A command that a page offers: its button, who may press it, and what the confirmation says."""

    name: str  # in the address
    label: str
    permission: str
    sentence: str
    done: str
    form: type[ConfirmForm] = ConfirmForm
    danger: bool = False
    waits: str = "This needs a second person: it waits in the approvals."


def offered(request: HttpRequest, actions: list[Action]) -> list[Action]:
    """Return the actions whose permission the actor holds."""
    return [action for action in actions if access.may(request, action.permission)]


def confirm(
    request: HttpRequest,
    action: Action,
    *,
    back: str,
    facts: dict[str, Any],
    build: Callable[[dict[str, Any]], Command],
    initial: dict[str, Any] | None = None,
) -> HttpResponse:
    """Ask for confirmation, and on POST run the command that `build` makes of the form.

    `initial` is what the form begins with besides its key, such as what the page shows and is confirmed.
    A refusal is shown on the same page with its facts, and nothing has happened.
    """
    if not access.may(request, action.permission):
        raise PermissionDenied
    form = action.form(
        request.POST if request.method == "POST" else None,
        initial={**(initial or {}), "key": secrets.token_urlsafe(24)},
    )
    refusal: Refusal | None = None
    if request.method == "POST" and form.is_valid():
        try:
            outcome = run(request, build(form.cleaned_data), key=form.cleaned_data["key"])
        except Refusal as error:
            refusal = error
            form = action.form(initial={**form.cleaned_data, "key": secrets.token_urlsafe(24)})
        else:
            _tell(request, action, outcome)
            return HttpResponseRedirect(back)
    context = {
        **SITE.each_context(request),
        "title": action.label,
        "action": action,
        "form": form,
        "back": back,
        "facts": facts,
        "refusal": refusal,
        "refusal_facts": codec.to_data(refusal.facts) if refusal else {},
    }
    return TemplateResponse(
        request, "console/confirm.html", context, status=refusal.status if refusal else 200
    )


def run(request: HttpRequest, command: Command, *, key: str | None) -> Outcome:
    """Run a command as whoever asks, now by the database's clock. Raises what `execute` raises."""
    actor = request.actor  # type: ignore[attr-defined]  # set for every page of the site
    return execute(command, actor=actor, key=key and f"console:{key}", at=clock.database_now())


def _tell(request: HttpRequest, action: Action, outcome: Outcome) -> None:
    if outcome.status == "pending_approval":
        messages.warning(request, action.waits)
    else:
        messages.success(request, action.done)
