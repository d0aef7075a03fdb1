"""Search: anything pasted, found where it belongs; and the address of any object by its public id."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse

from apps.console import access
from apps.console.frame import page
from apps.console.site import SITE
from apps.core.registries import SEARCHES, SearchHit

LONGEST = 140
HITS_MAX = 30

PLACES: dict[str, tuple[str, str]] = {}
"""The prefix of a public id: where its page is, and the permission that opens it."""


def place(prefix: str, url: str, permission: str) -> None:
    """Say where the page of a kind of object is. `url` holds {} for the public id."""
    PLACES[prefix] = (url, permission)


def find(request: HttpRequest, text: str) -> list[SearchHit]:
    """Return what the searches found, without what the actor's role does not open, ids first."""
    wanted = " ".join(text.replace("\0", "").split())[:LONGEST]
    if len(wanted) < 3:
        return []
    hits = {hit.url: hit for hit in _by_id(wanted)}
    for search in SEARCHES.entries.values():
        for hit in search(wanted):
            hits.setdefault(hit.url, hit)
    return [hit for hit in hits.values() if _open(request, hit)][:HITS_MAX]


def _by_id(text: str) -> list[SearchHit]:
    prefix = text.partition("_")[0]
    if prefix not in PLACES or len(text) != len(prefix) + 27:
        return []
    return [SearchHit("Go to", text, text, PLACES[prefix][0].format(text))]


def _open(request: HttpRequest, hit: SearchHit) -> bool:
    """Tell whether the actor may open what was found; what has no known page is not shown."""
    prefix = hit.object_id.partition("_")[0]
    return prefix in PLACES and access.may(request, PLACES[prefix][1])


@SITE.page("search/", name="search")
def search_page(request: HttpRequest) -> HttpResponse:
    """List everything found; a single hit is opened at once."""
    text = request.GET.get("q", "")
    hits = find(request, text)
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].url)
    return page(request, "console/search.html", title="Search", q=text, hits=hits)


@SITE.page("search/hits/", name="search_hits")
def hits_as_typed(request: HttpRequest) -> HttpResponse:
    """Answer the search field as somebody types."""
    hits = find(request, request.GET.get("q", ""))[:8]
    return JsonResponse({"hits": [{"kind": hit.kind, "title": hit.title, "url": hit.url} for hit in hits]})


@SITE.page("go/<str:object_id>/", name="go")
def go(request: HttpRequest, object_id: str) -> HttpResponse:
    """Lead to an object's page by its public id. Raises Http404 for a kind without one."""
    url, _ = PLACES.get(object_id.partition("_")[0], ("", ""))
    if not url:
        raise Http404
    return HttpResponseRedirect(url.format(object_id))
