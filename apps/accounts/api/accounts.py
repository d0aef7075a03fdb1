"""`/api/v1/accounts`: payment accounts, their balances and statements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import queries
from apps.accounts.api import serializers as shapes
from apps.accounts.api.described import ACCOUNT_EXAMPLE
from apps.accounts.commands import (
    BlockPaymentAccount,
    ClosePaymentAccount,
    OpenPaymentAccount,
    UnblockPaymentAccount,
)
from apps.accounts.models import PaymentAccount
from apps.core import clock
from apps.core.commands import Command
from apps.core.errors import Invalid, NotFound
from apps.core.http.api import ApiView, money_data
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import decode_cursor, limit_of, page_by_id, page_links
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger


class AccountView(ApiView):
    """A view of payment accounts. A token that a customer granted shows that customer's accounts alone."""

    scopes = {"GET": "accounts.read", "POST": "accounts.write"}
    for_customers = True

    @property
    def own_party_id(self) -> UUID | None:
        """Return the customer who granted the token, if one did."""
        return getattr(self.request.user, "party_id", None)

    def account(self, account_id: str) -> PaymentAccount:
        """Return an account that the caller may see. Raises BadId, NotFound."""
        row = queries.payment_account(parse_public_id("acc", account_id))
        if self.own_party_id is not None and row.party_id != self.own_party_id:
            raise NotFound(object="account")
        return row


class Accounts(AccountView):
    """All payment accounts of the organisation."""

    @extend_schema(
        operation_id="list_accounts",
        tags=["accounts"],
        parameters=[*PAGED, OpenApiParameter("customer_id", str, description="Of one customer.")],
        responses=answers(shapes.AccountPage, 400),
    )
    def get(self, request: Request) -> Response:
        """List payment accounts, newest first."""
        asked = request.query_params.get("customer_id")
        party_id = parse_public_id("pty", asked) if asked else None
        rows = queries.payment_accounts(self.organisation_id, party_id=party_id)
        if self.own_party_id is not None:
            rows = rows.filter(party_id=self.own_party_id)
        page, links = page_by_id(request, rows)
        return Response({"items": [queries.account_data(row) for row in page], **links})

    @extend_schema(
        operation_id="open_account",
        tags=["accounts"],
        parameters=IDEMPOTENT,
        request=shapes.AccountIn,
        examples=[ACCOUNT_EXAMPLE],
        responses=answers(shapes.AccountOut, 400, 404, 409, 422, status=201),
    )
    def post(self, request: Request) -> Response:
        """Open a payment account; its IBAN is the operator's next."""
        data = shapes.AccountIn(data=request.data)
        data.is_valid(raise_exception=True)
        given = data.validated_data
        return self.execute(
            OpenPaymentAccount(
                self.organisation_id,
                currency=given["currency"],
                party_id=given["customer_id"],
                label=given["label"],
            )
        )


class Account(AccountView):
    """One payment account."""

    @extend_schema(operation_id="get_account", tags=["accounts"], responses=answers(shapes.AccountOut, 404))
    def get(self, request: Request, account_id: str) -> Response:
        """Show a payment account."""
        return Response(queries.account_data(self.account(account_id)))


class AccountAction(AccountView):
    """The base of what changes an account's status."""

    shape: type[shapes.Shape] = shapes.Nothing

    def command(self, account_id: UUID, given: dict[str, Any]) -> Command:
        """Build the command."""
        raise NotImplementedError

    def act(self, request: Request, account_id: str) -> Response:
        """Read the body, run the command, answer with the account."""
        key = parse_public_id("acc", account_id)
        data = self.shape(data=request.data or {})
        data.is_valid(raise_exception=True)
        return self.execute(self.command(key, data.validated_data), status=200)


class BlockAccount(AccountAction):
    """Blocking."""

    shape = shapes.BlockIn

    @extend_schema(
        operation_id="block_account",
        tags=["accounts"],
        parameters=IDEMPOTENT,
        request=shapes.BlockIn,
        responses=answers(shapes.AccountOut, 400, 404, 409, 422),
    )
    def post(self, request: Request, account_id: str) -> Response:
        """Block an account: nothing is paid from it until it is unblocked."""
        return self.act(request, account_id)

    def command(self, account_id: UUID, given: dict[str, Any]) -> Command:
        """Build the command."""
        return BlockPaymentAccount(self.organisation_id, account_id=account_id, reason=given["reason"])


class UnblockAccount(AccountAction):
    """Unblocking."""

    @extend_schema(
        operation_id="unblock_account",
        tags=["accounts"],
        parameters=IDEMPOTENT,
        request=shapes.Nothing,
        responses=answers(shapes.AccountOut, 400, 404, 409),
    )
    def post(self, request: Request, account_id: str) -> Response:
        """Lift a block that the customer asked for."""
        return self.act(request, account_id)

    def command(self, account_id: UUID, given: dict[str, Any]) -> Command:
        """Build the command."""
        return UnblockPaymentAccount(self.organisation_id, account_id=account_id)


class CloseAccount(AccountAction):
    """Closing."""

    @extend_schema(
        operation_id="close_account",
        tags=["accounts"],
        parameters=IDEMPOTENT,
        request=shapes.Nothing,
        responses=answers(shapes.AccountOut, 400, 404, 409),
    )
    def post(self, request: Request, account_id: str) -> Response:
        """Close an empty account for good."""
        return self.act(request, account_id)

    def command(self, account_id: UUID, given: dict[str, Any]) -> Command:
        """Build the command."""
        return ClosePaymentAccount(self.organisation_id, account_id=account_id)


class Balance(AccountView):
    """The balance of an account, now or then."""

    @extend_schema(
        operation_id="get_balance",
        tags=["accounts"],
        responses=answers(shapes.BalanceOut, 404, 422),
        parameters=[
            OpenApiParameter("at", datetime, description="As it was recorded until this moment."),
            OpenApiParameter("effective_date", date, description="As effective through this day."),
        ],
    )
    def get(self, request: Request, account_id: str) -> Response:
        """Show what is booked, held and available; with `at` or `effective_date`, what was booked then."""
        row = self.account(account_id)
        at, effective = request.query_params.get("at"), request.query_params.get("effective_date")
        if at is None and effective is None:
            return Response(_balance_now(row))
        if at is not None and effective is not None:
            raise Invalid(field="at", reason="either at or effective_date")
        moment, day = (read_moment(at), None) if at is not None else (None, read_day(effective or ""))
        posted = ledger.balance_at(row.ledger_account_id, recorded_at=moment, effective_date=day)
        when = {"at": moment.isoformat()} if moment else {"effective_date": str(day)}
        return Response({"account_id": row.public_id, "posted": _money(posted, row), **when})


def _balance_now(row: PaymentAccount) -> dict[str, Any]:
    now = ledger.balance(row.ledger_account_id)
    return {
        "account_id": row.public_id,
        "posted": _money(now.posted, row),
        "pending": _money(now.held, row),
        "available": _money(now.available, row),
        "at": clock.database_now().isoformat(),
    }


def _money(minor: int, row: PaymentAccount) -> dict[str, str]:
    return money_data(Money(minor, row.currency))


class Statement(AccountView):
    """The entries of an account."""

    @extend_schema(
        operation_id="get_statement",
        tags=["accounts"],
        responses=answers(shapes.StatementOut, 400, 404),
        parameters=[
            *PAGED,
            OpenApiParameter(
                "order",
                str,
                enum=["oldest", "newest"],
                description="Which entries come first; oldest by default.",
            ),
        ],
    )
    def get(self, request: Request, account_id: str) -> Response:
        """List the entries of an account with the balance after each."""
        row, limit = self.account(account_id), limit_of(request)
        order, cursor = request.query_params.get("order", "oldest"), request.query_params.get("cursor")
        if order not in ("oldest", "newest"):
            raise Invalid(field="order", known=["oldest", "newest"])
        entries = ledger.statement(
            row.ledger_account_id,
            after=decode_cursor(cursor) if cursor else None,
            limit=limit + 1,
            newest_first=order == "newest",
        )
        links = page_links(request, entries[limit - 1].cursor if len(entries) > limit else None)
        data = [_entry_data(entry, row) for entry in entries[:limit]]
        return Response({"account_id": row.public_id, "items": data, **links})


def _entry_data(entry: ledger.Entry, row: PaymentAccount) -> dict[str, Any]:
    return {
        "id": f"{entry.seq}-{entry.line}",
        "amount": _money(entry.amount_minor, row),
        "balance": _money(entry.after_minor, row),
        "kind": entry.kind,
        "reference": entry.reference,
        "effective_date": entry.effective_date.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
    }


def read_moment(text: str) -> datetime:
    """Read a moment with its offset (RFC 3339), between 1970 and 2200. Raises Invalid."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Invalid(field="at", reason="not a moment as RFC 3339 writes it") from None
    if moment.tzinfo is None or not 1970 < moment.year < 2200:
        raise Invalid(field="at", reason="a moment with its offset, between 1971 and 2199")
    return moment


def read_day(text: str) -> date:
    """Read a day (ISO 8601), between 1971 and 2199. Raises Invalid."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid(field="effective_date", reason="not a day as ISO 8601 writes it") from None
    if not 1970 < day.year < 2200:
        raise Invalid(field="effective_date", reason="a day between 1971 and 2199")
    return day
