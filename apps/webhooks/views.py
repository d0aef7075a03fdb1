"""POST /webhooks/in/<token>: where providers call."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core import clock
from apps.webhooks import wake
from apps.webhooks.intake import Inbound, Receipt, receive
from apps.webhooks.signatures import BODY_BYTES_MAX

RETRY_AFTER_S = 5


@csrf_exempt
@require_POST
def inbound(request: HttpRequest, path_token: str) -> HttpResponse:
    """Take in a provider's request: 2xx once it is committed, 4xx if it is not genuine, 503 if it was not kept."""
    try:
        receipt = receive(_read(request, path_token), at=clock.database_now())
    except (DatabaseError, InterfaceError):
        # Not kept, so not accepted: every serious sender tries again after a 503.
        return JsonResponse({"code": "not_stored"}, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    if receipt.stored:
        wake.inbox()
    return _answer(receipt)


def _answer(receipt: Receipt) -> HttpResponse:
    if receipt.status == 200:
        return JsonResponse({"code": receipt.code, "stored": receipt.stored, "repeated": receipt.repeated})
    return JsonResponse({"code": receipt.code}, status=receipt.status)


def _read(request: HttpRequest, path_token: str) -> Inbound:
    """Read the raw body, at most one byte more than is allowed, and the headers in lower case."""
    return Inbound(
        path_token=path_token,
        method=request.method or "",
        url=request.build_absolute_uri(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=_stream(request).read(BODY_BYTES_MAX + 1),
        remote_address=str(request.META.get("REMOTE_ADDR", "")),
    )


def _stream(request: HttpRequest) -> Any:
    """Return the body's stream; a chunked body has no length, and the server ends its stream itself."""
    environ = request.META
    if not environ.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"]
    return request
