"""Breaks by the file: download what is open, fill in actions, look at the preview, do it."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.console.actions import ConfirmForm, run
from apps.console.frame import page
from apps.console.pages.reconciliation_days import READ, may_work
from apps.console.site import SITE
from apps.core import clock, codec, tenancy
from apps.core.errors import Refusal
from apps.reconciliation.public import (
    BULK_ACTIONS,
    BULK_BYTES_MAX,
    BULK_ROWS_MAX,
    BadBulk,
    Break,
    bulk_command,
    export_breaks,
    preview_rows,
    read_bulk,
)

ADDRESS = "/console/break-files/"


@SITE.page("break-files/", name="break_files", permission=READ)
def bulk_page(request: HttpRequest) -> HttpResponse:
    """Take a file of resolutions, show what each row would do, and do all of them or none."""
    shown: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        if not may_work(request):
            raise PermissionDenied
        try:
            text = _text(request)
            rows = read_bulk(text.encode())
            organisation_id = _organisation_of(rows)
            if "do" in request.POST:
                return _do(request, organisation_id, rows)
            shown = _previewed(request, organisation_id, rows, text)
        except Refusal as refusal:
            shown = {"refusal": refusal, "refusal_facts": codec.to_data(refusal.facts)}
            status = refusal.status
    response = page(
        request,
        "console/break_files.html",
        title="Breaks by the file",
        actions=BULK_ACTIONS,
        rows_max=BULK_ROWS_MAX,
        may_work=may_work(request),
        **shown,
    )
    response.status_code = status
    return response


@SITE.page("break-files/open.csv", name="open_breaks_csv", permission=READ)
def open_breaks_csv(request: HttpRequest) -> HttpResponse:
    """Hand out the open breaks of the organisation that has the oldest, ready to be filled in."""
    oldest = Break.objects.filter(state="open").order_by("day", "id").first()
    body = export_breaks(oldest.organisation_id) if oldest else ""
    return HttpResponse(
        body,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="open-breaks.csv"'},
    )


def _text(request: HttpRequest) -> str:
    """Return what was uploaded, or what the preview carries. Raises BadBulk."""
    if "rows" in request.POST:
        return request.POST["rows"]
    upload = request.FILES.get("file")
    if upload is None or isinstance(upload, list):
        raise BadBulk(reason="no file")
    if upload.size is None or upload.size > BULK_BYTES_MAX:
        raise BadBulk(reason="too large", bytes_max=BULK_BYTES_MAX)
    try:
        return bytes(upload.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadBulk(reason="not UTF-8") from None


def _organisation_of(rows: Any) -> UUID:
    """Return whose breaks a file is about: one organisation's. Raises BadBulk for none."""
    if not rows:
        raise BadBulk(reason="no row has an action")
    with tenancy.scope(tenancy.PLATFORM):
        found = Break.objects.filter(id=rows[0].break_id).first()
    if found is None:
        raise BadBulk(line=rows[0].line, reason="no such break")
    return found.organisation_id


def _previewed(request: HttpRequest, organisation_id: UUID, rows: Any, text: str) -> dict[str, Any]:
    actor = request.actor  # type: ignore[attr-defined]  # set for every page of the site
    results = preview_rows(organisation_id, rows, actor=actor, at=clock.database_now())
    return {
        "results": results,
        "refused": sum(1 for one in results if one["result"] == "refused"),
        "two_persons": any(one["action"] == "write_off" for one in results),
        "text": text,
        "key": secrets.token_urlsafe(24),
    }


def _do(request: HttpRequest, organisation_id: UUID, rows: Any) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        raise BadBulk(reason="the form is incomplete")
    outcome = run(request, bulk_command(organisation_id, rows), key=form.cleaned_data["key"])
    if outcome.status == "pending_approval":
        messages.warning(
            request, "The file writes something off: it waits in the approvals for a second person."
        )
    else:
        messages.success(request, f"{len(rows)} rows were done. What they book follows at once.")
    return HttpResponseRedirect(ADDRESS)
