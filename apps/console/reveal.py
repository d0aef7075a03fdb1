"""Personal data in clear: for a reason, written down first, shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from apps.console import access
from apps.console.actions import Action, ReasonForm, confirm, run
from apps.console.commands import REASON_MIN, RevealPersonalData
from apps.core import tenancy

REVEAL = Action(
    "reveal",
    "Show personal data",
    "personal_data.reveal",
    f"Names, account numbers and texts are shown to you once. Say why (at least {REASON_MIN} signs): "
    "the audit log keeps it, with your name.",
    "",
    ReasonForm,
)


def revealed_page(
    request: HttpRequest, *, object_type: str, object_id: str, back: str, show: Callable[[], HttpResponse]
) -> HttpResponse:
    """Ask for the reason; once the audit log has it, answer with the page in clear.

    The page is the answer to the form itself and is never stored: reloading asks again.
    """
    if not access.may(request, REVEAL.permission):
        raise PermissionDenied
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and len(form.cleaned_data["reason"]) >= REASON_MIN:
        run(request, RevealPersonalData(None, object_type, object_id, form.cleaned_data["reason"]), key=None)
        with tenancy.scope(tenancy.PLATFORM):
            response: Any = show()
            response.render()
        return response
    facts = {"object": object_id}
    if request.method == "POST":
        facts["not shown"] = f"The reason has at least {REASON_MIN} signs."
        request.method = "GET"
    return confirm(request, REVEAL, back=back, facts=facts, build=_never)


def _never(data: dict[str, Any]) -> Any:
    raise AssertionError("the form is answered above")
