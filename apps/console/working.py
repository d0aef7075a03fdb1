"""Lists whose objects have buttons: what is legal now and allowed to the role, each through one command."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from apps.console.actions import Action, confirm, offered
from apps.console.seen import seen
from apps.core.commands import Command
from apps.core.console import ReadOnlyAdmin, state_html
from apps.core.ids import public_id

Build = Callable[[Any, dict[str, Any]], Command]
"""Makes the command of a button from the object and what the form says."""


class WorkedAdmin(ReadOnlyAdmin):
    """A read-only list with buttons on each object's page. Pressing what is no longer legal is refused."""

    buttons: ClassVar[dict[str, tuple[Action, Build]]] = {}
    """By name: the event of the object's table that the button asks for, its action, its command."""

    @admin.display(description="id")
    def short_id(self, row: Any) -> str:
        """Show the beginning and the end of the public id."""
        shown = public_id(self.id_prefix, row.pk)
        return f"{shown[:8]}…{shown[-6:]}"

    @admin.display(description="state")
    def state_word(self, row: Any) -> str:
        """Show the state."""
        return state_html(row.state)

    def more_urls(self) -> list[Any]:
        """Add the confirmations."""
        return [path("<str:object_id>/<slug:action>/", self.admin_site.admin_view(self.act))]

    def legal(self, found: Any) -> list[str]:
        """Return the names of the buttons that the object's state allows."""
        return [name for name in found.machine.allowed(found.state) if name in self.buttons]

    def offered(self, request: HttpRequest, found: Any) -> list[Action]:
        """Return the buttons for whoever looks at the object."""
        return offered(request, [self.buttons[name][0] for name in self.legal(found)])

    def confirmed(self, found: Any) -> dict[str, Any]:
        """Return what the confirmation repeats of the object."""
        return {"state": state_html(found.state)}

    def confirms(self, found: Any, action: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what else a confirmation shows, and what of it its form sends back as seen. On GET alone."""
        return {}, {}

    def act(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Confirm and run one of the commands."""
        if action in ("change", "delete", "history"):
            return self.refuse(request)
        found = seen(self, request, object_id)
        if action not in self.buttons:
            raise Http404
        button, build = self.buttons[action]
        shown, seen_as = self.confirms(found, action) if request.method == "GET" else ({}, {})
        return confirm(
            request,
            button,
            back=self.address(found.pk),
            facts={**self.confirmed(found), **shown},
            initial=seen_as,
            build=partial(build, found),
        )
