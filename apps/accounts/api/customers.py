"""`/api/v1/customers`: translate, one call, answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import queries
from apps.accounts.api import serializers as shapes
from apps.accounts.api.described import (
    BENEFICIARY_EXAMPLE,
    CUSTOMER_EXAMPLE,
    SEARCH_EXAMPLE,
)
from apps.accounts.commands import AddBeneficiary, ChangeCustomer, CreateCustomer, RemoveBeneficiary
from apps.core import tenancy
from apps.core.http.api import ApiView
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id


class CustomerView(ApiView):
    """A view of customers. Stored answers hold no names, so that answers are read anew after a command."""

    scopes = {
        "GET": "customers.read",
        "POST": "customers.write",
        "PATCH": "customers.write",
        "DELETE": "customers.write",
    }

    def read_again(self, response: Response) -> Response:
        """Answer a command with the customer as it is now; a stored one may since have been erased."""
        if response.status_code != 202:
            with tenancy.scope(self.organisation_id):
                row = queries.customer(parse_public_id("pty", response.data["id"]))
                response.data = queries.customer_data(row)
        return response


class Customers(CustomerView):
    """All customers of the organisation."""

    @extend_schema(
        operation_id="list_customers",
        tags=["customers"],
        parameters=PAGED,
        responses=answers(shapes.CustomerPage, 400),
    )
    def get(self, request: Request) -> Response:
        """List customers, newest first."""
        rows, links = page_by_id(request, queries.customers(self.organisation_id))
        return Response({"items": [queries.customer_data(row) for row in rows], **links})

    @extend_schema(
        operation_id="create_customer",
        tags=["customers"],
        parameters=IDEMPOTENT,
        request=shapes.CustomerIn,
        examples=[CUSTOMER_EXAMPLE],
        responses=answers(shapes.CustomerOut, 400, 409, 422, status=201),
    )
    def post(self, request: Request) -> Response:
        """Create a customer: a person or a company."""
        data = shapes.CustomerIn(data=request.data)
        data.is_valid(raise_exception=True)
        return self.read_again(self.execute(CreateCustomer(self.organisation_id, **data.validated_data)))


class CustomerSearch(CustomerView):
    """Finding customers by what is known of them. A POST, so that no personal data stands in an address."""

    scopes = {"POST": "customers.read"}

    @extend_schema(
        operation_id="search_customers",
        tags=["customers"],
        request=shapes.CustomerSearch,
        examples=[SEARCH_EXAMPLE],
        responses=answers(shapes.CustomerPage, 400, 422),
    )
    def post(self, request: Request) -> Response:
        """Find customers by their exact e-mail address, name or telephone number."""
        data = shapes.CustomerSearch(data=request.data)
        data.is_valid(raise_exception=True)
        ((by, value),) = data.validated_data.items()
        with tenancy.scope(self.organisation_id):
            rows = queries.customers_matching(self.organisation_id, by=by, value=value)
            return Response({"items": [queries.customer_data(row) for row in rows], "next": None})


class Customer(CustomerView):
    """One customer."""

    @extend_schema(
        operation_id="get_customer", tags=["customers"], responses=answers(shapes.CustomerOut, 404)
    )
    def get(self, request: Request, customer_id: str) -> Response:
        """Show a customer."""
        return Response(queries.customer_data(queries.customer(parse_public_id("pty", customer_id))))

    @extend_schema(
        operation_id="change_customer",
        tags=["customers"],
        parameters=IDEMPOTENT,
        request=shapes.CustomerChange,
        responses=answers(shapes.CustomerOut, 400, 404, 409, 422),
    )
    def patch(self, request: Request, customer_id: str) -> Response:
        """Change a customer; members left out stay as they are."""
        key = parse_public_id("pty", customer_id)
        data = shapes.CustomerChange(data=request.data)
        data.is_valid(raise_exception=True)
        command = ChangeCustomer(self.organisation_id, customer_id=key, **data.validated_data)
        return self.read_again(self.execute(command, status=200))


class Beneficiaries(CustomerView):
    """The payees that a customer trusts."""

    @extend_schema(
        operation_id="list_beneficiaries",
        tags=["customers"],
        parameters=PAGED,
        responses=answers(shapes.BeneficiaryPage, 400, 404),
    )
    def get(self, request: Request, customer_id: str) -> Response:
        """List a customer's trusted beneficiaries, newest first."""
        party = queries.customer(parse_public_id("pty", customer_id))
        rows, links = page_by_id(request, queries.beneficiaries(self.organisation_id, party_id=party.id))
        return Response({"items": [queries.beneficiary_data(row) for row in rows], **links})

    @extend_schema(
        operation_id="add_beneficiary",
        tags=["customers"],
        parameters=IDEMPOTENT,
        request=shapes.BeneficiaryIn,
        examples=[BENEFICIARY_EXAMPLE],
        responses=answers(shapes.BeneficiaryOut, 400, 404, 409, 422, status=201),
    )
    def post(self, request: Request, customer_id: str) -> Response:
        """Put a payee on a customer's list."""
        key = parse_public_id("pty", customer_id)
        data = shapes.BeneficiaryIn(data=request.data)
        data.is_valid(raise_exception=True)
        response = self.execute(AddBeneficiary(self.organisation_id, customer_id=key, **data.validated_data))
        if response.status_code != 202:
            response.data = self._told(response.data["id"])
        return response

    def _told(self, beneficiary_id: str) -> dict[str, Any]:
        with tenancy.scope(self.organisation_id):
            return queries.beneficiary_data(queries.beneficiary(parse_public_id("ben", beneficiary_id)))


class Beneficiary(CustomerView):
    """One trusted payee."""

    @extend_schema(
        operation_id="remove_beneficiary",
        tags=["customers"],
        parameters=IDEMPOTENT,
        request=None,
        responses=answers(None, 400, 404),
    )
    def delete(self, request: Request, beneficiary_id: str) -> Response:
        """Take a payee off the list."""
        key = parse_public_id("ben", beneficiary_id)
        return self.execute(RemoveBeneficiary(self.organisation_id, beneficiary_id=key), status=200)
