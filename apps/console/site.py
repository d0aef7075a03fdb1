"""The console: Django's admin site under our own roof, read-only, scoped, behind a second factor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, include, path

from apps.console import access, badges, errors, login, navigation
from apps.core import tenancy
from apps.core.console import ReadOnlyAdmin

SESSION_LONGEST = timedelta(hours=8)
"""However busy, a session ends after a working day; an idle one ends after fifteen minutes."""

View = Callable[..., HttpResponse]


class ConsoleSite(AdminSite):
    """The staff's site. No page opens without a session that passed both factors."""

    site_header = site_title = "Bezant"
    site_url = None
    enable_nav_sidebar = False
    pages: list[tuple[str, str, View]] = []
    """Pages that are no list of a table: (address, name, view), in the order they registered."""

    def page(self, address: str, *, name: str, permission: str = "") -> Callable[[View], View]:
        """Register the view below as a page of the console, opened by a permission."""

        def register(view: View) -> View:
            def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
                if permission and not access.may(request, permission):
                    raise PermissionDenied
                return view(request, *args, **kwargs)

            self.pages.append((address, name, update_wrapper(guarded, view)))
            return view

        return register

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether the session is a staff member's, verified by the second factor, and not worn out."""
        user: Any = request.user
        return bool(
            user.is_authenticated
            and user.is_active
            and user.is_staff
            and user.is_verified()
            and _age(request) <= SESSION_LONGEST
        )

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap a view in what every page has: the login, the actor, the scope, pages for errors."""
        return errors.told(super().admin_view(_shown(view), cacheable))

    def get_urls(self) -> list[URLPattern | URLResolver]:  # type: ignore[override]
        """Address lists by their own names instead of by app and model."""
        lists = [
            path(
                f"{listed.slug}/", include(listed.urls[0] if isinstance(listed.urls, tuple) else listed.urls)
            )
            for listed in self._registry.values()
            if isinstance(listed, ReadOnlyAdmin)
        ]
        return [
            path("login/", errors.told(login.password_page), name="login"),
            path("login/code/", errors.told(login.code_page), name="login_code"),
            path("login/setup/", errors.told(login.setup_page), name="login_setup"),
            path("logout/", errors.told(self.admin_view(self.logout)), name="logout"),
            *(path(address, self.admin_view(view), name=name) for address, name, view in self.pages),
            *lists,
            path("<path:rest>", self.admin_view(_nowhere)),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Give every page its frame: who looks, where they may go, what waits."""
        return {
            "site_title": self.site_title,
            "has_permission": True,
            "is_popup": False,
            "environment": settings.ENVIRONMENT,
            "navigation": navigation.groups(request),
            "badges": badges.counts(request),
            "role": getattr(request.user, "role", "").replace("_", " "),
        }

    @staticmethod
    def logout(request: HttpRequest, extra_context: Any = None) -> Any:
        """End the session; asked for by POST alone, so that no link can do it."""
        if request.method != "POST":
            raise PermissionDenied
        logout(request)
        return HttpResponseRedirect("/console/login/")


def _shown(view: View) -> View:
    """Give the view its actor; let a read see every organisation, and write nothing.

    The transaction of a read is read-only in the database's eyes too, and the page is rendered
    inside of it, since templates still ask for rows. A POST gets no scope: it builds a command, and
    `execute` opens the one transaction there is.
    """

    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.actor = access.actor_of(request.user)  # type: ignore[attr-defined]
        if request.method not in ("GET", "HEAD"):
            return view(request, *args, **kwargs)
        with tenancy.scope(tenancy.PLATFORM):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            response = view(request, *args, **kwargs)
            if hasattr(response, "render") and callable(response.render):
                response.render()
        return response

    return update_wrapper(shown, view)


def _nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    raise Http404


def _age(request: HttpRequest) -> timedelta:
    started = request.session.get(login.LOGGED_IN_AT)
    return datetime.now(UTC) - datetime.fromisoformat(started) if started else timedelta.max


SITE = ConsoleSite(name="console")
