"""A customer's session: another cookie than the staff's, sent when a client's site leads here.

The staff's cookie is SameSite=Strict and would not come along; this one is Lax, and opens nothing but
the pages of the authorization server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.accounts.public import User

COOKIE = "__Secure-customer" if settings.HTTPS else "customer"
COOKIE_PATH = "/oauth"


def customer_session(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Run a view with the customer's session and user in the place of the staff's."""

    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        staff_session, staff = request.session, request.user
        own = SessionStore(request.COOKIES.get(COOKIE))
        request.session = own
        request.user = _customer(request)
        try:
            response = view(request, *args, **kwargs)
            _keep(request.session, response)  # type: ignore[arg-type]  # a login has renewed it in place
        finally:
            request.session, request.user = staff_session, staff
        return response

    return wrapped


def _customer(request: HttpRequest) -> Any:
    user = get_user(request)
    is_customer = isinstance(user, User) and user.kind == User.Kind.CUSTOMER and user.is_active
    return user if is_customer else AnonymousUser()


def _keep(session: SessionStore, response: HttpResponseBase) -> None:
    """Save the session when something is in it, and let it expire when the customer goes idle."""
    if session.is_empty():
        return
    session.save()
    response.set_cookie(
        COOKIE,
        session.session_key or "",
        max_age=settings.SESSION_COOKIE_AGE,
        path=COOKIE_PATH,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
