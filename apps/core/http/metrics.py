"""`/metrics`: for the Prometheus that runs beside us, and for nobody else."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from apps.core.metrics import exposition

_LOOPBACK = frozenset({"127.0.0.1", "::1", ""})  # "" is a unix socket


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics to a direct caller of this machine, or to who knows METRICS_TOKEN; else 404."""
    if not _may_see(request):
        raise Http404
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_see(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return secrets.compare_digest(given.encode(), settings.METRICS_TOKEN.encode())
    # A gateway on this machine hands on strangers' requests from loopback too, but says whose they are.
    return request.META.get("REMOTE_ADDR", "") in _LOOPBACK and "X-Forwarded-For" not in request.headers
