"""Dead letters of both directions: grouped by what they died of, sent again as a paced job, or given up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from apps.console import navigation
from apps.console.actions import Action, ReasonForm, confirm, offered
from apps.console.frame import page
from apps.console.site import SITE
from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.webhooks.public import (
    ReplayJob,
    StartReplay,
    SteerReplay,
    dead_letter_groups,
    dead_letter_organisations,
    dead_letters,
)

READ, WRITE = "webhooks.read", "events.replay"
BACK = "/console/dead-letters/"
LETTERS_MAX, JOBS_MAX, ORGANISATIONS_MAX = 100, 20, 50
_PLACES = {"in": ("ine", "inbox"), "out": ("del", "deliveries")}

navigation.entry("Integrations", "Dead letters", BACK, permission=READ)


class ReplayForm(ReasonForm):
    """Why, and how fast."""

    rate_per_s = forms.IntegerField(min_value=1, max_value=1_000, initial=50, label="Letters a second")


REPLAY = Action(
    "replay",
    "Send all of these again",
    WRITE,
    "Every letter of this group goes again under its own id, the oldest first, so many a second. The job can be "
    "paused and cancelled; letters that die after now are no part of it.",
    "The job is running.",
    ReplayForm,
)
STEERS = {
    "paused": Action("pause", "Pause", WRITE, "The job stops where it is, and can go on.", "It is paused."),
    "running": Action("resume", "Go on", WRITE, "The job goes on where it stopped.", "It goes on."),
    "cancelled": Action(
        "cancel",
        "Cancel",
        WRITE,
        "The job ends; letters it has not come to stay dead.",
        "It is cancelled.",
        danger=True,
    ),
}
_NEXT = {"running": ("paused", "cancelled"), "paused": ("running", "cancelled")}


@SITE.page("dead-letters/", name="dead_letters", permission=READ)
def dead_letters_page(request: HttpRequest) -> HttpResponse:
    """Show the groups, the oldest letters, and the replays that run or ran."""
    chosen = request.GET.get("fingerprint", "")[:16]
    letters = dead_letters(filters={"fingerprint": chosen} if chosen else {}, limit=LETTERS_MAX)
    may = bool(offered(request, [REPLAY]))
    return page(
        request,
        "console/dead_letters.html",
        title="Dead letters",
        groups=_groups(),
        letters=[(one, f"/console/{_PLACES[one.direction][1]}/{one.key}/") for one in letters],
        chosen=chosen,
        jobs=[
            (job, public_id("rpl", job.pk), _NEXT.get(job.state, ()) if may else ())
            for job in ReplayJob.objects.order_by("-created_at")[:JOBS_MAX]
        ],
        may=may,
    )


def _groups() -> list[dict[str, Any]]:
    """List the groups, each of one organisation, since a replay belongs to one."""
    found = []
    for direction in _PLACES:
        for organisation_id in dead_letter_organisations(direction, {})[:ORGANISATIONS_MAX]:
            filters = {"organisation": str(organisation_id)}
            name = public_id("org", organisation_id)
            found += [
                group | {"organisation": name}
                for group in dead_letter_groups(direction=direction, filters=filters)
            ]
    return sorted(found, key=lambda group: -int(group["count"]))


@SITE.page(
    "dead-letters/<str:direction>/<str:organisation>/<str:fingerprint>/replay/",
    name="replay_dead_letters",
    permission=READ,
)
def replay_page(request: HttpRequest, direction: str, organisation: str, fingerprint: str) -> HttpResponse:
    """Say how many letters it would be, and start the job. Raises Http404 for a group that there is not."""
    organisation_id = _key("org", organisation)
    with tenancy.scope(tenancy.PLATFORM):
        filters = {"organisation": str(organisation_id), "fingerprint": fingerprint[:16]}
        found = dead_letter_groups(direction=direction, filters=filters) if direction in _PLACES else []
    if not found:
        raise Http404
    (group,) = found
    return confirm(
        request,
        REPLAY,
        back=BACK,
        facts={"organisation": organisation, "died of": group["error"], "letters": group["count"]},
        build=lambda data: StartReplay(
            organisation_id, direction, data["reason"], filters, data["rate_per_s"]
        ),
    )


@SITE.page("dead-letters/jobs/<str:job_id>/<str:to>/", name="steer_replay", permission=READ)
def steer_page(request: HttpRequest, job_id: str, to: str) -> HttpResponse:
    """Pause, resume or cancel a job. Raises Http404."""
    with tenancy.scope(tenancy.PLATFORM):
        job = ReplayJob.objects.filter(pk=_key("rpl", job_id)).first()
    if job is None or to not in STEERS:
        raise Http404
    return confirm(
        request,
        STEERS[to],
        back=BACK,
        facts={"job": job_id, "done": f"{job.done} of {job.total}", "asked for": job.reason},
        build=lambda data: SteerReplay(job.organisation_id, job.pk, to),
    )


def _key(prefix: str, text: str) -> UUID:
    try:
        return parse_public_id(prefix, text)
    except Refusal:
        raise Http404 from None
