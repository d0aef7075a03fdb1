"""The first page: what moved, whether the books balance, what waits, whether everything runs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.console import navigation, tiles
from apps.console.frame import page
from apps.console.site import SITE

navigation.entry("Overview", "Home", "/console/", keys="h")


@SITE.page("", name="index")
def home(request: HttpRequest) -> HttpResponse:
    """Show the tiles and panels that the actor's role opens."""
    return page(
        request,
        "console/home.html",
        title="Home",
        tiles=tiles.tiles_for(request),
        panels=tiles.panels_for(request),
    )
