"""What console pages share: how money, ids, times and states look, and lists that cannot write.

Lists are Django admin change lists that page by key, never count, and refuse every change. The site
that shows them hands each request an `actor`; a list names the permission that opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.errors import Refusal
from apps.core.http.pages import decode_cursor, encode_cursor
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money

CURSOR = "cursor"
NOTHING = format_html('<span class="nothing" title="none">{}</span>', "–")

GOOD, BUSY, BAD, OFF = "good", "busy", "bad", "off"
TONES: dict[str, str] = {
    **dict.fromkeys(
        [
            "active",
            "approved",
            "accepted",
            "balanced",
            "captured",
            "closed",
            "completed",
            "delivered",
            "done",
            "final",
            "matched",
            "paid",
            "ok",
            "proven",
            "received",
            "settled",
            "succeeded",
            "verified",
            "won",
            "posted",
            "released",
        ],
        GOOD,
    ),
    **dict.fromkeys(
        [
            "authorised",
            "batched",
            "created",
            "drafted",
            "contested",
            "draft",
            "expected",
            "inquiry",
            "new",
            "open",
            "opened",
            "ordered",
            "partial",
            "paused",
            "pending",
            "pending_approval",
            "prepared",
            "processing",
            "queued",
            "retrying",
            "running",
            "scheduled",
            "sent",
            "submitted",
            "suspended",
            "unknown",
            "waiting",
            "withheld",
        ],
        BUSY,
    ),
    **dict.fromkeys(
        [
            "blocked",
            "break",
            "broken",
            "dead",
            "denied",
            "disputed",
            "failed",
            "failing",
            "late",
            "lost",
            "over",
            "refused",
            "rejected",
            "returned",
            "review",
            "under",
            "unmatched",
            "unproven",
        ],
        BAD,
    ),
}
"""Which colour and mark a state's word has. The word itself is always shown; unknown words are grey."""


def page_of(object_id: str) -> str:
    """Return the address of an object's page, by its public id alone: the console knows its kind."""
    return f"/console/go/{object_id}"


def amount_html(money: Money | None) -> SafeString:
    """Show money grouped in thousands, with a real minus sign and its currency beside it."""
    if money is None:
        return NOTHING
    text = money.decimal_text()
    units, point, decimals = text.lstrip("-").partition(".")
    return format_html(
        '<data class="amount" value="{}">{}{}<span class="currency">{}</span></data>',
        text,
        "−" if money.minor < 0 else "",
        f"{int(units):,}{point}{decimals}",
        money.currency,
    )


def id_html(text: object, *, url: str = "", short: bool = True) -> SafeString:
    """Show an id in fixed width, perhaps as a link; the whole id can be copied even when shortened."""
    whole = str(text or "")
    if not whole:
        return NOTHING
    seen = f"{whole[:8]}…{whole[-6:]}" if short and len(whole) > 20 else whole
    return (
        format_html('<a class="id" href="{}" data-copy="{}" title="{}">{}</a>', url, whole, whole, seen)
        if url
        else (format_html('<code class="id" data-copy="{}" title="{}">{}</code>', whole, whole, seen))
    )


def time_html(at: datetime | date | None) -> SafeString:
    """Show a moment in UTC, its zone beside it; a plain date as it is. Scripts add how long ago it was."""
    if at is None:
        return NOTHING
    if not isinstance(at, datetime):
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), f"{at:%Y-%m-%d}")
    moment = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{} <span class="zone">UTC</span></time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S.%f}",
        f"{moment:%Y-%m-%d %H:%M:%S}",
    )


def state_html(word: object, *, tone: str = "") -> SafeString:
    """Show a state: its word, with a colour and a mark that say whether it is good, busy, bad or over."""
    text = str(word or "")
    if not text:
        return NOTHING
    return format_html(
        '<span class="state {}">{}</span>', tone or TONES.get(text.lower(), OFF), text.replace("_", " ")
    )


def facts_html(facts: dict[str, Any]) -> SafeString:
    """Show a mapping as a list of names and values."""
    rows: Iterator[tuple[str, Any]] = ((name.replace("_", " "), value) for name, value in facts.items())
    return format_html("<dl>{}</dl>", format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", rows))


class KeysetChangeList(ChangeList):
    """A page of rows, newest first, cut by key: no count, no page numbers, the same cost on any page."""

    def get_filters_params(self, params: Any = None) -> Any:
        """Leave our cursor out of what Django takes for lookups."""
        found = super().get_filters_params(params)
        found.pop(CURSOR, None)
        return found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Write the address of another view of the list: a changed filter starts at its first page."""
        return super().get_query_string({CURSOR: None, **(new_params or {})}, remove)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return the chosen filters, for the form that searches within them."""
        return [(name, value) for name, value in self.params.items() if name not in ("q", CURSOR)]

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Order by the key alone, whatever the address asks for."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than the page holds, to know whether there is another page."""
        rows = self.queryset
        cursor = request.GET.get(CURSOR)
        if cursor:
            listed: Any = self.model_admin
            rows = rows.filter(pk__lt=listed.read_key(decode_cursor(cursor)))
        found = list(rows[: self.list_per_page + 1])
        self.result_list = found[: self.list_per_page]
        last = self.result_list[-1].pk if len(found) > self.list_per_page else None
        self.next_page = self.get_query_string({CURSOR: encode_cursor(str(last))}) if last is not None else ""
        self.first_page = self.get_query_string(remove=[CURSOR]) if cursor else ""
        self.result_count = self.full_result_count = len(self.result_list)
        self.can_show_all = self.multi_page = self.show_full_result_count = self.show_admin_actions = False


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list, and a page per object, of a table that the console never writes to."""

    permission: ClassVar[str] = ""
    """What the actor must hold to see the list and its objects."""
    slug: ClassVar[str] = ""
    """The list's address below the console's."""
    id_prefix: ClassVar[str] = ""
    """The prefix of public ids, when objects are addressed by them."""
    intro: ClassVar[str] = ""
    """A sentence under the list's title."""
    search_hint: ClassVar[str] = ""

    actions = None
    empty_value_display = "–"
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    view_on_site = False
    preserve_filters = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Page by key."""
        return KeysetChangeList

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the actor's role opens this list. A list that names no permission stays shut."""
        actor = getattr(request, "actor", None)
        return bool(self.permission) and actor is not None and actor.may(self.permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell the same of the list's entry in the navigation."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rows are made by commands."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows change by commands."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing is deleted."""
        return False

    def read_key(self, text: str) -> Any:
        """Read a row's key from an address. Raises Http404 for what cannot be one."""
        try:
            if self.id_prefix and text.startswith(f"{self.id_prefix}_"):
                return parse_public_id(self.id_prefix, text)
            return self.opts.pk.to_python(text)
        except (Refusal, ValidationError, ValueError, TypeError) as error:
            raise Http404 from error

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Find by the whole value of the one column that the list is searched by, which an index answers."""
        term = search_term.strip()
        if not term or not self.search_fields:
            return queryset, False
        return queryset.filter(**{self.search_fields[0]: term}), False

    def get_urls(self) -> list[Any]:
        """List and object page, and a plain refusal where Django's admin would add, change or delete."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        guard = self.admin_site.admin_view
        return [
            path("", guard(self.changelist_view), name=f"{name}_changelist"),
            path("add/", guard(self.refuse), name=f"{name}_add"),
            *self.more_urls(),
            path("<str:object_id>/", guard(self.change_view), name=f"{name}_change"),
            path("<str:object_id>/change/", guard(self.refuse)),
            path("<str:object_id>/delete/", guard(self.refuse), name=f"{name}_delete"),
            path("<str:object_id>/history/", guard(self.refuse), name=f"{name}_history"),
        ]

    def more_urls(self) -> list[Any]:
        """Return further pages of an object, such as the confirmations of its commands."""
        return []

    def refuse(self, request: HttpRequest, object_id: str = "") -> HttpResponse:
        """Answer 403: this table is read-only here."""
        raise PermissionDenied

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one object. Raises PermissionDenied for anything but reading, Http404 for no such object."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return self.object_page(request, found)

    def object_page(self, request: HttpRequest, found: Any) -> HttpResponse:
        """Show an object's columns. Lists whose objects have more to tell replace this."""
        facts = {str(field.verbose_name): getattr(found, field.attname) for field in self.opts.fields}
        return self.page(request, "console/object.html", title=str(found), facts=facts, found=found)

    def page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        """Render a page inside the site's frame."""
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "list_admin": self, **context}
        return TemplateResponse(request, template, whole)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Find the object of an address, by its public id or its key."""
        return self.get_queryset(request).filter(pk=self.read_key(object_id)).first()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a page of the list; only reading is known here."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        more = {
            "intro": self.intro,
            "title": _capital(str(self.opts.verbose_name_plural)),
            **(extra_context or {}),
        }
        return super().changelist_view(request, more)

    def address(self, key: UUID | str | int) -> str:
        """Return the address of an object's page."""
        shown = public_id(self.id_prefix, key) if self.id_prefix and isinstance(key, UUID) else key
        return f"/console/{self.slug}/{shown}/"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
