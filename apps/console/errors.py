"""Pages for what goes wrong: a sentence and a way back, never a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import structlog
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core import logs
from apps.core.errors import Refusal

_log = structlog.get_logger("bezant.console")

SENTENCES = {
    400: ("This address cannot be read.", "A part of it has a value that it cannot have."),
    403: ("This is not open to you.", "Your role does not include it, or the page cannot be changed at all."),
    404: ("There is nothing here.", "The object does not exist, or its address is mistyped."),
    409: ("Somebody was faster.", "The object changed meanwhile; go back and look again."),
    500: ("Something went wrong here.", "It has been recorded; nothing was left half done."),
    429: ("Too many failed logins.", "Wait half an hour, or ask an administrator."),
    503: ("The database does not answer.", "Try again in a moment."),
}


def told(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer what a view refuses with a page in the console's own look."""

    def telling(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404:
            return page(request, 404)
        except PermissionDenied:
            return page(request, 403)
        except (SuspiciousOperation, DisallowedModelAdminLookup, DataError):
            return page(request, 400)
        except Refusal as refusal:
            return page(request, refusal.status, refusal.title)
        except (OperationalError, InterfaceError) as error:
            _log.error(
                "database unavailable", error=type(error).__name__, cause=type(error.__cause__).__name__
            )
            return page(request, 503)
        except IntegrityError:
            logs.log_failure(None)
            return page(request, 409)
        except Exception:  # whatever it was, people get a page and the log gets the place
            logs.log_failure(None)
            return page(request, 500)

    return update_wrapper(telling, view)


def page(request: HttpRequest, status: int, title: str = "") -> HttpResponse:
    """Render the page of an error. It touches no table, for the database may be what failed."""
    known, explanation = SENTENCES.get(
        status, ("This cannot be done.", "The object may have changed meanwhile.")
    )
    context = {
        "title": title or known,
        "explanation": explanation,
        "status": status,
        "correlation_id": logs.correlation_id(),
    }
    return render(request, "errors/error.html", context, status=status)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from one of our pages (CSRF_FAILURE_VIEW)."""
    return page(request, 403, "This form has expired; go back, reload the page and try again.")


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """Answer a login after too many failures (AXES_LOCKOUT_CALLABLE)."""
    return page(request, 429)
