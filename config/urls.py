"""Every address of the platform."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from apps.core.http.docs import docs
from apps.core.http.health import livez, readyz
from apps.core.http.metrics import metrics

handler400 = "apps.core.http.problems.bad_request"
handler404 = "apps.core.http.problems.not_found"
handler500 = "apps.core.http.problems.failed"

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
    path(
        "api/v1/schema",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    path("api/v1/docs", docs, name="docs"),
]
for prefix, module in (
    ("api/v1/", "apps.accounts.api.urls"),
    ("api/v1/", "apps.payments.api.urls"),
    ("api/v1/", "apps.webhooks.api.urls"),
    ("oauth/", "apps.authz.urls"),
    (".well-known/", "apps.authz.well_known"),
    ("webhooks/", "apps.webhooks.urls"),
    ("", "apps.console.urls"),
):
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if found:
        urlpatterns.append(path(prefix, include(module)))
