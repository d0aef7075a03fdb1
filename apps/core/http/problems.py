"""Errors as problem documents (RFC 9457): one shape for every failure of every API."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response

from apps.core import codec, db, logs
from apps.core.errors import Refusal

CONTENT_TYPE = "application/problem+json"
_log = structlog.get_logger("bezant.http")


def problem(
    *, code: str, http_status: int, title: str, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Build a problem document. `code` is the stable name of the error, `title` a sentence."""
    body = {
        "type": f"urn:bezant:problem:{code}",
        "title": title,
        "status": http_status,
        "code": code,
        "correlation_id": logs.correlation_id(),
        **members,
    }
    return Response(body, status=http_status, content_type=CONTENT_TYPE, headers=headers)


def of_refusal(refusal: Refusal) -> Response:
    """Tell a refusal: its code, its sentence and the facts behind it."""
    headers = (
        {"Retry-After": "1"}
        if refusal.status in (409, 503) and refusal.code in ("in_flight", "busy")
        else None
    )
    facts = codec.to_data(refusal.facts)
    return problem(
        code=refusal.code, http_status=refusal.status, title=refusal.title, headers=headers, facts=facts
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem document (DRF's EXCEPTION_HANDLER)."""
    if isinstance(error, Refusal):
        return of_refusal(error)
    if isinstance(error, Http404):
        return problem(code="not_found", http_status=404, title="There is no such object.")
    if isinstance(error, PermissionDenied):
        return problem(code="denied", http_status=403, title="You are not allowed to do this.")
    if isinstance(error, exceptions.ValidationError):
        return problem(
            code="invalid",
            http_status=422,
            title="A field has a value that it cannot have.",
            errors=_named_fields(error.detail),
        )
    if isinstance(error, exceptions.APIException):
        return _of_api_exception(error)
    if isinstance(error, (OperationalError, InterfaceError)):
        return _of_database(error)
    if isinstance(error, (IntegrityError, DataError)):
        return _of_constraint(error)
    return None


def _of_api_exception(error: exceptions.APIException) -> Response:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait or 1))  # type: ignore[attr-defined]
    code = error.get_codes()
    return problem(
        code=code if isinstance(code, str) else "invalid",
        http_status=error.status_code,
        title=str(error.detail) if isinstance(error.detail, str) else "The request was refused.",
        headers=headers or None,
    )


def _of_database(error: DatabaseError | InterfaceError) -> Response:
    _log.error("database unavailable", error=type(error).__name__, collision=db.is_collision(error))
    return problem(
        code="unavailable",
        http_status=status.HTTP_503_SERVICE_UNAVAILABLE,
        title="The database does not answer; try again shortly.",
        headers={"Retry-After": "1"},
    )


def _of_constraint(error: DatabaseError) -> Response:
    """Answer what only the database saw: two who did the same at once, or a value that fits nowhere.

    The log names the constraint, the answer does not: it is no business of the client's.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    _log.error(
        "refused by a constraint",
        error=type(error).__name__,
        constraint=getattr(diagnosis, "constraint_name", None),
        table=getattr(diagnosis, "table_name", None),
    )
    if isinstance(error, IntegrityError):
        return problem(
            code="collision",
            http_status=status.HTTP_409_CONFLICT,
            title="Something else was done to the same objects at the same time; look again.",
        )
    return problem(
        code="invalid",
        http_status=status.HTTP_422_UNPROCESSABLE_ENTITY,
        title="A field has a value that it cannot have.",
    )


def _named_fields(detail: Any, place: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested errors to [{"field": "amount.currency", "message": …}]."""
    if isinstance(detail, dict):
        return [
            item
            for name, inner in detail.items()
            for item in _named_fields(inner, f"{place}.{name}".strip("."))
        ]
    if isinstance(detail, list):
        return [item for inner in detail for item in _named_fields(inner, place)]
    return [{"field": "" if place == "non_field_errors" else place, "message": str(detail)}]


def _plain(code: str, http_status: int, title: str) -> JsonResponse:
    body = {
        "type": f"urn:bezant:problem:{code}",
        "title": title,
        "status": http_status,
        "code": code,
        "correlation_id": logs.correlation_id(),
    }
    return JsonResponse(body, status=http_status, content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer an unknown address (handler404 of the API)."""
    return _plain("not_found", 404, "There is nothing at this address.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer a request that cannot be read (handler400)."""
    return _plain("bad_request", 400, "The request cannot be read.")


def failed(request: HttpRequest) -> JsonResponse:
    """Answer when the platform itself failed (handler500); the log has the rest."""
    return _plain("internal", 500, "The platform failed; the correlation id leads to the record.")
