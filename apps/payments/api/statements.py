"""`/api/v1/accounts/{id}/statements`: a statement as camt.053, CSV or PDF."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.http.api import ApiView
from apps.core.http.described import answers
from apps.core.ids import parse_public_id
from apps.payments.customer_statements import FORMATS, file_name, statement_of, written


class Statements(ApiView):
    """Statements of an account as files."""

    scopes = {"GET": "accounts.read"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Leave `format` of the query to the view: it names a file's form, not JSON's rendering."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    @extend_schema(
        operation_id="get_account_statement_file",
        tags=["accounts"],
        parameters=[
            OpenApiParameter("from", date, required=True, description="The first day (UTC)."),
            OpenApiParameter("to", date, required=True, description="The last day; at most 400 days."),
            OpenApiParameter("format", str, enum=sorted(FORMATS), description="By default camt053."),
        ],
        responses={
            (200, media): OpenApiResponse(OpenApiTypes.BINARY, description="The file.")
            for media in ("application/xml", "text/csv", "application/pdf")
        }
        | answers(None, 400, 404, 422, status=204),
    )
    def get(self, request: Request, account_id: str) -> HttpResponse:
        """Give the entries of a period with its opening and closing balance, as a file."""
        query = request.query_params
        form = query.get("format", "camt053")
        if form not in FORMATS:
            raise Invalid(field="format", known=sorted(FORMATS))
        statement = statement_of(
            parse_public_id("acc", account_id),
            first=_day("from", query.get("from", "")),
            last=_day("to", query.get("to", "")),
            at=clock.database_now(),
        )
        response = HttpResponse(written(statement, form), content_type=FORMATS[form])
        response["Content-Disposition"] = f'attachment; filename="{file_name(statement, form)}"'
        return response


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(field=field, reason="not a day as ISO 8601 writes it") from None
