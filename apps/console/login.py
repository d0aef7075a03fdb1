"""Coming in: password, then a one-time code. Nobody is logged in before both are right.

After the password the session holds only whose second factor is awaited, for five minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import update_wrapper
from typing import Any

import segno
from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import login as otp_login
from django_otp import verify_token
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.public import User
from apps.console.access import at_the_door
from apps.console.commands import RecordLogin, RecordSecondFactor
from apps.core import clock
from apps.core.commands import Command, execute

HALF = "half_login"
LOGGED_IN_AT, PREVIOUS_LOGIN = "logged_in_at", "previous_login"
HALF_LOGIN_LONGEST = timedelta(minutes=5)
HOME = "/console/"
NAME_MAX = 100
BACKEND = "django.contrib.auth.backends.ModelBackend"

Halfway = Callable[[HttpRequest, User], HttpResponse]


class StaffPasswordForm(AuthenticationForm):
    """A name and a password; to a customer it says the same as to a stranger."""

    def clean_username(self) -> str:
        """Refuse a name longer than any can be, before it is looked up or counted."""
        name: str = self.cleaned_data["username"]
        if len(name) > NAME_MAX:
            raise self.get_invalid_login_error()
        return name

    def confirm_login_allowed(self, user: Any) -> None:
        """Raise the error of a wrong password for whoever is not active staff."""
        if not (user.is_active and user.is_staff):
            raise self.get_invalid_login_error()


class CodeForm(forms.Form):
    """The six digits an authenticator app shows."""

    code = forms.RegexField(
        r"^[0-9]{6}$",
        strip=True,
        error_messages={"invalid": "A code has six digits."},
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "maxlength": 6,
                "autofocus": True,
            }
        ),
    )


def _door(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    return update_wrapper(never_cache(csrf_protect(sensitive_post_parameters()(view))), view)


@_door
def password_page(request: HttpRequest) -> HttpResponse:
    """Ask for name and password; when they are right, go on to the second factor."""
    form = StaffPasswordForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        request.session.cycle_key()
        request.session[HALF] = {
            "user": str(form.get_user().pk),
            "at": datetime.now(UTC).isoformat(),
            "next": request.GET.get("next", ""),
        }
        return HttpResponseRedirect("/console/login/code/")
    return render(request, "console/login.html", {"form": form, "title": "Log in"})


def _halfway(view: Halfway) -> Callable[..., HttpResponse]:
    """Call the view with the user whose password was right a moment ago; send anybody else to the start."""

    def checked(request: HttpRequest) -> HttpResponse:
        half = request.session.get(HALF)
        if not half or datetime.now(UTC) - datetime.fromisoformat(half["at"]) > HALF_LOGIN_LONGEST:
            request.session.pop(HALF, None)
            return HttpResponseRedirect("/console/login/")
        user = User.objects.filter(pk=half["user"], is_active=True, kind=User.Kind.STAFF).first()
        return view(request, user) if user else HttpResponseRedirect("/console/login/")

    return _door(update_wrapper(checked, view))


@_halfway
def code_page(request: HttpRequest, user: User) -> HttpResponse:
    """Ask for the code of the user's device; a user without one sets it up first."""
    device = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    if device is None:
        return HttpResponseRedirect("/console/login/setup/")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _right(user, device, form):
        return _enter(request, user, device)
    return render(request, "console/login_code.html", {"form": form, "title": "One-time code"})


@_halfway
def setup_page(request: HttpRequest, user: User) -> HttpResponse:
    """Show a new device's secret as a picture and as text, and ask for a first code to prove it.

    Only for users without a confirmed device: whoever has one must show it, not make another.
    """
    if TOTPDevice.objects.filter(user=user, confirmed=True).exists():
        return HttpResponseRedirect("/console/login/code/")
    device, _ = TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "authenticator"}
    )
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _right(user, device, form):
        device.refresh_from_db()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        _tell(RecordSecondFactor(None, user.public_id), user)
        return _enter(request, user, device)
    context = {
        "form": form,
        "title": "Set up your second factor",
        "picture": _picture(device.config_url),
        "secret": _grouped(device),
    }
    return render(request, "console/login_setup.html", context)


def _right(user: User, device: TOTPDevice, form: CodeForm) -> bool:
    """Check a code, once: the device remembers what it took, and makes guessers wait longer each time."""
    allowed, _ = device.verify_is_allowed()
    if not allowed:
        form.add_error("code", "Too many wrong codes; wait a moment and take the next one.")
        return False
    if verify_token(user, device.persistent_id, form.cleaned_data["code"]) is None:
        form.add_error("code", "This is not the present code, or it was used already.")
        return False
    return True


def _enter(request: HttpRequest, user: User, device: TOTPDevice) -> HttpResponse:
    """Make the session a member of staff's, after the audit log has it."""
    _tell(RecordLogin(None, user.public_id), user)
    half, previous = request.session.pop(HALF), user.last_login
    login(request, user, backend=BACKEND)
    otp_login(request, device)
    request.session[LOGGED_IN_AT] = datetime.now(UTC).isoformat()
    request.session[PREVIOUS_LOGIN] = previous.isoformat() if previous else ""
    wanted = half.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith(HOME)
    return HttpResponseRedirect(wanted if safe else HOME)


def _tell(command: Command, user: User) -> None:
    execute(command, actor=at_the_door(user), key=None, at=clock.database_now())


def _picture(address: str) -> str:
    """Draw a QR code as inline SVG without any style of its own."""
    code = segno.make(address, micro=False, error="m")
    return mark_safe(  # noqa: S308  # drawn by us, of our own text
        code.svg_inline(
            omitsize=True,
            svgclass="qr",
            lineclass=None,
            border=2,
        )
    )


def _grouped(device: TOTPDevice) -> str:
    """Write the secret in groups of four, for typing it."""
    from base64 import b32encode

    text = b32encode(device.bin_key).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
