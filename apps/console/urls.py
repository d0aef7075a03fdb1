"""The console's addresses, all below /console/."""

from __future__ import annotations

from django.urls import path

from apps.console.site import SITE

urlpatterns = [path("console/", SITE.urls)]
