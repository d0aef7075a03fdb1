"""The pages that people see: log in, consent, and what is wrong with a request.

A request of a client is validated once, at /authorize, and kept in the customer's session. The pages
after it carry its random name alone, so that no browser can change what is consented to.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.views.mixins import OAuthLibMixin

from apps.accounts import public as accounts
from apps.authz.models import Application
from apps.authz.oauth.endpoints import in_platform_scope, parameter_problem
from apps.authz.oauth.session import customer_session
from apps.authz.scopes import SCOPES

NONCE_CHARS_MAX = 255
REQUESTS_KEPT = 5
REQUEST_LIFETIME_S = 600
USERNAME_CHARS_MAX, PASSWORD_CHARS_MAX = 100, 200
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_KEPT = "oauth_requests"
_LOGGED_IN_AT = "oauth_logged_in_at"


@method_decorator([in_platform_scope, customer_session], name="dispatch")
class Page(OAuthLibMixin, View):
    """A page of the authorization server, for customers."""

    def problem(self, code: str, sentence: str, *, status: int = 400) -> HttpResponse:
        """Show what is wrong, where it would be unsafe to send the browser back to the client."""
        facts = {"code": code, "sentence": sentence}
        return render(self.request, "oauth/problem.html", facts, status=status)

    def back(self, redirect_uri: str, **parameters: str | None) -> HttpResponse:
        """Send the browser back to the client, with the issuer (RFC 9207) in every answer."""
        given = {name: value for name, value in parameters.items() if value}
        separator = "&" if "?" in redirect_uri else "?"
        address = f"{redirect_uri}{separator}{urlencode(given | {'iss': settings.ISSUER})}"
        return _Redirect(address, headers={"Cache-Control": "no-store"})

    def refused(self, error: OAuthToolkitError) -> HttpResponse:
        """Tell the client what is wrong, or the person where the client itself is in doubt."""
        inner = error.oauthlib_error
        if isinstance(error, FatalClientError) or not inner.redirect_uri:
            return self.problem(inner.error, "The application that sent you here made a faulty request.")
        return self.back(
            inner.redirect_uri, error=inner.error, error_description=inner.description, state=inner.state
        )

    def kept(self) -> tuple[str, dict[str, Any] | None]:
        """Return the name and the content of the request that the page is about; None once it is too old."""
        name = self.request.GET.get("id", "")[:64]
        found = self.request.session.get(_KEPT, {}).get(name)
        alive = found is not None and time.time() - found["at"] <= REQUEST_LIFETIME_S
        return name, found if alive else None

    def expired(self) -> HttpResponse:
        """Say that the request is no longer known."""
        return self.problem(
            "request_expired", "This request is unknown or too old. Go back to the application."
        )


class _Redirect(HttpResponseRedirect):
    """A redirect to a registered address, whose scheme was checked when it was registered."""

    allowed_schemes = ["https", "http"]


class Authorize(Page):
    """Take a client's request (RFC 6749, 4.1.1; OpenID Connect Core, 3.1.2.1) and lead to the pages."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Validate everything now; what follows works from what is kept."""
        fault = parameter_problem(request.GET)
        if fault is None and len(request.GET.get("nonce", "")) > NONCE_CHARS_MAX:
            fault = f"The nonce is longer than {NONCE_CHARS_MAX} characters."
        if fault is None and not request.GET.get("redirect_uri"):
            fault = "There is no redirect_uri."
        if fault:
            return self.problem("invalid_request", fault)
        try:
            scopes, credentials = self.validate_authorization_request(request)
        except OAuthToolkitError as error:
            return self.refused(error)
        return self._unsupported(request, credentials) or self._lead_on(request, scopes, credentials)

    def _unsupported(self, request: HttpRequest, credentials: dict[str, Any]) -> HttpResponse | None:
        where, state = credentials["redirect_uri"], credentials.get("state")
        for name in ("request", "request_uri"):
            if name in request.GET:
                return self.back(where, error=f"{name}_not_supported", state=state)
        challenge, method = credentials.get("code_challenge"), credentials.get("code_challenge_method")
        if method != "S256" or not _CHALLENGE.fullmatch(challenge or ""):
            return self.back(
                where,
                error="invalid_request",
                state=state,
                error_description="PKCE with code_challenge_method S256 is required.",
            )
        return None

    def _lead_on(self, request: HttpRequest, scopes: list[str], credentials: dict[str, Any]) -> HttpResponse:
        prompt = set(request.GET.get("prompt", "").split())
        login_needed = not request.user.is_authenticated or "login" in prompt or _is_too_old(request)
        if "none" in prompt:
            error = "login_required" if login_needed else "consent_required"
            return self.back(credentials["redirect_uri"], error=error, state=credentials.get("state"))
        name = _keep(request, scopes, credentials, login_needed=login_needed)
        return HttpResponseRedirect(f"/oauth/{'login' if login_needed else 'consent'}?id={name}")


def _is_too_old(request: HttpRequest) -> bool:
    """Tell whether the login is older than the client's max_age, in seconds."""
    given = request.GET.get("max_age", "")
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        return False
    return time.time() - request.session.get(_LOGGED_IN_AT, 0) > int(given)


def _keep(request: HttpRequest, scopes: list[str], credentials: dict[str, Any], *, login_needed: bool) -> str:
    names = (
        "client_id",
        "redirect_uri",
        "response_type",
        "state",
        "code_challenge",
        "code_challenge_method",
        "nonce",
    )
    kept = dict(
        sorted(request.session.get(_KEPT, {}).items(), key=lambda item: item[1]["at"])[1 - REQUESTS_KEPT :]
    )
    name = secrets.token_urlsafe(24)
    kept[name] = {key: credentials.get(key) for key in names} | {
        "scopes": sorted(scopes),
        "at": time.time(),
        "login_needed": login_needed,
    }
    request.session[_KEPT] = kept
    return name


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class Login(Page):
    """Let a customer log in; guessing is counted and locked out by django-axes."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        _, kept = self.kept()
        return render(request, "oauth/login.html") if kept else self.expired()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check name and password; one answer for every kind of failure."""
        name, kept = self.kept()
        if kept is None:
            return self.expired()
        user = _authenticated(request)
        if user is None:
            return render(request, "oauth/login.html", {"failed": True}, status=401)
        login(request, user)
        requests = request.session.get(_KEPT, {})
        requests[name] = kept | {"login_needed": False}
        request.session[_KEPT], request.session[_LOGGED_IN_AT] = requests, time.time()
        return HttpResponseRedirect(f"/oauth/consent?id={name}")


def _authenticated(request: HttpRequest) -> Any:
    username, password = request.POST.get("username", ""), request.POST.get("password", "")
    fits = 0 < len(username) <= USERNAME_CHARS_MAX and 0 < len(password) <= PASSWORD_CHARS_MAX
    if not fits or "\x00" in username + password:
        return None
    user = authenticate(request, username=username, password=password)
    return user if isinstance(user, accounts.User) and user.kind == accounts.User.Kind.CUSTOMER else None


class Consent(Page):
    """Ask the customer, and send the client a code or a refusal."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show who asks for what."""
        name, kept = self.kept()
        if kept is None:
            return self.expired()
        if not request.user.is_authenticated or kept["login_needed"]:
            return HttpResponseRedirect(f"/oauth/login?id={name}")
        client = self._client(kept)
        if client is None:
            return self._decline(name, kept)
        asked = [SCOPES[scope] for scope in kept["scopes"]]
        response = render(request, "oauth/consent.html", {"client": client, "asked": asked})
        # A browser counts the redirect that follows the form as its action.
        response["Content-Security-Policy"] = settings.CONTENT_SECURITY_POLICY.replace(
            "form-action 'self'", f"form-action 'self' {_origin(kept['redirect_uri'])}"
        )
        return response

    def post(self, request: HttpRequest) -> HttpResponse:
        """Act on the decision, once; the form says nothing but which it is."""
        name, kept = self.kept()
        if kept is None:
            return self.expired()
        if not request.user.is_authenticated or kept["login_needed"]:
            return HttpResponseRedirect(f"/oauth/login?id={name}")
        if request.POST.get("decision") != "allow" or self._client(kept) is None:
            return self._decline(name, kept)
        self._forget(name)
        credentials = {
            key: value for key, value in kept.items() if value and key not in ("scopes", "at", "login_needed")
        }
        try:
            address, *_ = self.create_authorization_response(
                request=request, scopes=" ".join(kept["scopes"]), credentials=credentials, allow=True
            )
        except OAuthToolkitError as error:
            return self.refused(error)
        return _Redirect(address, headers={"Cache-Control": "no-store"})

    def _client(self, kept: dict[str, Any]) -> Application | None:
        """Return the client if it is usable and of the customer's own organisation."""
        client = Application.objects.filter(client_id=kept["client_id"], disabled_at=None).first()
        who = accounts.customer_login(self.request.user)  # type: ignore[arg-type]  # a page has a User
        if client is None or who is None or who.organisation_id != client.organisation_id:
            return None
        return client

    def _decline(self, name: str, kept: dict[str, Any]) -> HttpResponse:
        self._forget(name)
        return self.back(kept["redirect_uri"], error="access_denied", state=kept["state"])

    def _forget(self, name: str) -> None:
        requests = self.request.session.get(_KEPT, {})
        requests.pop(name, None)
        self.request.session[_KEPT] = requests


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
