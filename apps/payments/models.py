"""Payments and their events, who is at the other end, our own bank accounts, the files between."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models

from apps.core.crypto import normalise
from apps.core.crypto.fields import BlindIndexField, EncryptedTextField
from apps.core.crypto.sealed import Sealed
from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.core.money import Money
from apps.payments.domain import lifecycle
from apps.payments.domain.machine import Machine
from apps.payments.domain.references import NAME_MAX, REMITTANCE_MAX
from apps.payments.domain.routing import Speed
from apps.payments.domain.us_accounts import (
    ACCOUNT_KINDS,
    ACCOUNT_NUMBER_MAX,
    HOLDERS,
    ROUTING_NUMBER_LENGTH,
)

_STATES = [state.value for state in lifecycle.State]
_KINDS = ["transfer", "payout", "payin", "refund", "collection", "card"]


class Rail(models.TextChoices):
    """How money travels."""

    BOOK = "book"  # between our own accounts
    SEPA_CT = "sepa_ct"  # SEPA credit transfer, in files
    SEPA_INST = "sepa_inst"  # SEPA instant credit transfer, in ten seconds
    SEPA_DD = "sepa_dd"  # SEPA direct debit, in files
    ACH = "ach"  # the US automated clearing house, in files
    FEDNOW = "fednow"  # the US instant rail
    CARD = "card"  # by a card processor
    PROVIDER = "provider"  # collected by a payment provider that tells us by webhook


class Counterparty(TenantModel):
    """Who is at the other end of payments: a name and an account, sealed under a key of their own.

    The account is an IBAN, or in the United States a routing number, an account number and its kind.
    What a bank corrects is a new row; the old one stays and names it (`replaced_by_id`).
    """

    name = EncryptedTextField(purpose="counterparty", subject="id", max_length=NAME_MAX)
    name_index = BlindIndexField(source="name", normalise=normalise.name)
    iban = EncryptedTextField(purpose="counterparty", subject="id", max_length=34, null=True)
    iban_index = BlindIndexField(source="iban", normalise=normalise.identifier)
    routing_number = models.CharField(max_length=ROUTING_NUMBER_LENGTH, default="")
    account_number = EncryptedTextField(
        purpose="counterparty", subject="id", max_length=ACCOUNT_NUMBER_MAX, null=True
    )
    account_number_index = BlindIndexField(source="account_number", normalise=normalise.identifier)
    account_kind = models.CharField(max_length=8, default="")  # checking or savings
    holder = models.CharField(max_length=8, default="")  # person or company, where the rail asks
    stopped_code = models.CharField(max_length=4, default="")  # the return after which nothing goes there
    replaced_by_id = models.UUIDField(null=True)
    replaced_at = models.DateTimeField(null=True)
    country = models.CharField(max_length=2, default="")
    town = EncryptedTextField(purpose="counterparty", subject="id", max_length=35, null=True)
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "iban_index", "name_index"], name="payments_counterparty_once"
            ),
            models.UniqueConstraint(
                fields=[
                    "organisation_id",
                    "account_number_index",
                    "name_index",
                    "routing_number",
                    "account_kind",
                    "holder",
                ],
                condition=models.Q(account_number_index__isnull=False),
                name="payments_us_counterparty_once",
            ),
            models.CheckConstraint(
                condition=models.Q(iban__isnull=False, account_number__isnull=True, routing_number="")
                | (models.Q(iban__isnull=True, account_number__isnull=False) & ~models.Q(routing_number="")),
                name="payments_counterparty_one_account",
            ),
            models.CheckConstraint(
                condition=models.Q(account_kind__in=["", *ACCOUNT_KINDS], holder__in=["", *HOLDERS]),
                name="payments_counterparty_words",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def account(self) -> Sealed:
        """Return the number of the account, still sealed: the IBAN, or the account number."""
        return self.iban if self.iban is not None else self.account_number


class Living(TenantModel):
    """A row with a life cycle: its state and version are what its events fold to (`PaymentEvent`).

    `lifecycle_store` moves it along its machine; `rebuild_payments --verify` proves the projection.
    """

    OBJECT: ClassVar[str]  # what events and the audit log call it
    PREFIX: ClassVar[str]  # of its public id

    state = models.CharField(max_length=24)
    version = models.PositiveIntegerField()
    changed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        abstract = True

    @property
    def machine(self) -> Machine:
        """Return the transition table that this row follows."""
        raise NotImplementedError

    @property
    def life_of(self) -> UUID | None:
        """Return the payment whose story this row is part of, if any."""
        return None


class Payment(Living):
    """A payment: what was instructed, which never changes, and where it is, which its events say.

    State and version are a projection of `PaymentEvent`; `rebuild_payments --verify` proves it. What
    has been moved is in the ledger, under this payment's reference.
    """

    OBJECT, PREFIX = "payment", "pay"

    state = models.CharField(max_length=24, choices=[(state, state) for state in _STATES])
    kind = models.CharField(max_length=10, choices=[(kind, kind) for kind in _KINDS])
    rail = models.CharField(max_length=12, choices=Rail)
    amount_minor = MoneyMinorField()
    currency = CurrencyField()
    account_id = models.UUIDField()  # ours: the debtor of a transfer, payout or refund, else the creditor
    other_account_id = models.UUIDField(null=True)  # ours too: the creditor of a transfer
    counterparty_id = models.UUIDField(null=True)
    parent_id = models.UUIDField(null=True)  # what a refund gives back
    settlement_account_id = models.UUIDField(null=True)
    hold_id = models.BigIntegerField(null=True)
    end_to_end_id = models.CharField(max_length=35)
    remittance = EncryptedTextField(
        purpose="payment", subject="subject_id", max_length=REMITTANCE_MAX, null=True
    )
    subject_id = models.UUIDField()  # under whose key the remittance text is sealed
    reference = models.CharField(max_length=70, default="")  # the client's own
    rail_options = models.JSONField(default=dict)  # what the rail's own rules ask for, such as an SEC code
    bulk_order_id = models.UUIDField(null=True)  # the order it is one payment of
    standing_order_id = models.UUIDField(null=True)  # the order it is a run of
    provider = models.CharField(max_length=30, default="")
    provider_reference = models.CharField(max_length=100, null=True)
    batch_message_id = models.CharField(max_length=35, default="")
    ordered_by = models.CharField(max_length=120)
    approved_by = models.CharField(max_length=120, default="")
    failure_code = models.CharField(max_length=35, default="")
    speed = models.CharField(max_length=8, default=Speed.STANDARD.value)  # a wish
    rail_fixed = models.BooleanField(default=False)  # the order names its rail, so no other will do
    next_attempt_at = models.DateTimeField(null=True)  # an approved payment waits until then
    verification_id = models.UUIDField(null=True)  # the verification of the payee that was confirmed
    payee_result = models.CharField(max_length=12, default="")  # and what it had found
    # Of a payment in another currency than its account's: the quote, what left the account (fee included),
    # what one unit sold bought, and the journal of the exchange.
    quote_id = models.UUIDField(null=True)
    source_minor = MoneyMinorField(null=True)
    source_currency = CurrencyField(default="")
    exchange_rate = models.DecimalField(max_digits=60, decimal_places=30, null=True)
    exchange_seq = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["quote_id"], name="payments_quote_used_once"),
            models.CheckConstraint(
                condition=models.Q(
                    quote_id__isnull=True,
                    source_minor__isnull=True,
                    source_currency="",
                    exchange_rate__isnull=True,
                    exchange_seq__isnull=True,
                )
                | (
                    models.Q(
                        quote_id__isnull=False,
                        source_minor__gt=0,
                        exchange_rate__gt=0,
                        exchange_seq__isnull=False,
                        kind__in=["transfer", "payout"],
                    )
                    & ~models.Q(source_currency__in=["", models.F("currency")])
                ),
                name="payments_exchange_whole",
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payments_amount_positive"),
            models.CheckConstraint(condition=models.Q(state__in=_STATES), name="payments_state"),
            models.CheckConstraint(condition=models.Q(kind__in=_KINDS), name="payments_kind"),
            # Four eyes: "policy:…" approves what is below the limit, otherwise a second person.
            models.CheckConstraint(
                condition=~models.Q(approved_by=models.F("ordered_by")), name="payments_four_eyes"
            ),
            models.UniqueConstraint(fields=["end_to_end_id"], name="payments_end_to_end_once"),
            models.UniqueConstraint(
                fields=["organisation_id", "provider", "provider_reference"],
                condition=models.Q(provider_reference__isnull=False),
                name="payments_provider_reference_once",
            ),
        ]
        indexes = [
            # An organisation's payments, newest first, and by state.
            models.Index(fields=["organisation_id", "state", "-id"], name="payments_by_state"),
            models.Index(fields=["account_id", "-id"], name="payments_by_account"),
            # What waits for a batch or for an answer; final payments are not in it.
            models.Index(
                fields=["rail", "state", "id"],
                condition=~models.Q(state__in=["settled", "returned", "rejected", "declined", "cancelled"]),
                name="payments_in_flight",
            ),
            models.Index(
                fields=["parent_id"], condition=models.Q(parent_id__isnull=False), name="payments_refunds"
            ),
            models.Index(
                fields=["bulk_order_id", "id"],
                condition=models.Q(bulk_order_id__isnull=False),
                name="payments_of_bulk_order",
            ),
            models.Index(
                fields=["standing_order_id", "id"],
                condition=models.Q(standing_order_id__isnull=False),
                name="payments_of_standing_order",
            ),
            models.Index(
                fields=["batch_message_id"],
                condition=~models.Q(batch_message_id=""),
                name="payments_in_batch",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of the payment's kind."""
        return lifecycle.MACHINES[lifecycle.Kind(self.kind)]

    @property
    def life_of(self) -> UUID | None:
        """Return the payment itself."""
        return self.id

    @property
    def amount(self) -> Money:
        """Return the instructed amount."""
        return Money(self.amount_minor, self.currency)

    @property
    def source_amount(self) -> Money | None:
        """Return what left the account for it, if that was another currency; the fee is in it."""
        return None if self.source_minor is None else Money(self.source_minor, self.source_currency)


class PaymentEvent(TenantModel):
    """One thing that happened to a payment, or to an object with a life of its own, such as a mandate.

    Append-only; what did not apply is kept with the reason.
    """

    object_type = models.CharField(max_length=20)
    object_id = models.UUIDField()
    payment_id = models.UUIDField(null=True)  # whose story it is part of
    number = models.PositiveIntegerField()  # 1, 2, 3 … within the object
    event = models.CharField(max_length=24)
    from_state = models.CharField(max_length=24)
    to_state = models.CharField(max_length=24)
    applied = models.BooleanField()
    reason = models.CharField(max_length=60)  # why it did not apply, or the code a bank gave
    source = models.CharField(max_length=12)  # api, console, policy, webhook, file, statement, job
    external_id = models.CharField(max_length=140)  # the message or statement line that told it
    journal_seq = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=120)
    command_id = models.UUIDField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["object_id", "number"], name="payments_event_number"),
        ]
        indexes = [
            # The whole story of a payment, with what happened to its attempts, returns and disputes.
            models.Index(fields=["payment_id", "id"], name="payments_event_story")
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_id} {self.number} {self.event}"


class SettlementAccount(TenantModel):
    """An account of the operator at a bank, and the ledger accounts that mirror it.

    With a routing number, `iban` is the account's number at that bank in the United States.
    """

    iban = models.CharField(max_length=34, unique=True)
    bic = models.CharField(max_length=11, default="")
    routing_number = models.CharField(max_length=ROUTING_NUMBER_LENGTH, default="")
    holder = models.CharField(max_length=NAME_MAX)  # a legal entity's name, not a person's
    bank = models.CharField(max_length=70)
    currency = CurrencyField()
    pays_out = models.BooleanField(default=True)
    cash_id = models.BigIntegerField()
    clearing_out_id = models.BigIntegerField()
    clearing_in_id = models.BigIntegerField()
    receivable_id = models.BigIntegerField()
    suspense_id = models.BigIntegerField()
    charges_id = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # Which account a payout leaves from is never a matter of chance.
            models.UniqueConstraint(
                fields=["currency"], condition=models.Q(pays_out=True), name="payments_one_payer_per_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.iban


class BankHoliday(models.Model):
    """A day on which a payment system is closed, with where that was taken from. Platform-wide.

    Frozen: `sync_bank_calendar` compares it with its source and changes it only when it is told to.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    calendar = models.CharField(max_length=10)
    day = models.DateField()
    name = models.CharField(max_length=80)
    source = models.CharField(max_length=30)
    source_version = models.CharField(max_length=20)
    recorded_at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))

    class Meta:
        constraints = [
            # Also how a calendar is read.
            models.UniqueConstraint(fields=["calendar", "day"], name="payments_bank_holiday_once"),
            models.CheckConstraint(
                condition=models.Q(calendar__in=["FED", "TARGET"]), name="payments_bank_holiday_calendar"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calendar} {self.day}"


class PayoutPolicy(TenantModel):
    """Up to which amount an organisation's payouts need no second person."""

    currency = CurrencyField()
    auto_approve_up_to_minor = MoneyMinorField()
    verify_payee = models.BooleanField(default=False)  # a payout must name a verification of its payee
    bulk_opt_out = models.BooleanField(default=False)  # a company does without it for packages of payments
    changed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["organisation_id", "currency"], name="payments_policy_once"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.currency}"


class Batch(TenantModel):
    """A file of payments for a bank. The same batch always gives the same bytes; their digest is kept."""

    class State(models.TextChoices):
        CLOSED = "closed"  # its payments are chosen
        SENT = "sent"  # the file lies in the outgoing folder
        ACKNOWLEDGED = "acknowledged"
        REJECTED = "rejected"

    message_id = models.CharField(max_length=35, unique=True)
    number = models.PositiveIntegerField()
    rail = models.CharField(max_length=12, choices=Rail)
    settlement_account_id = models.UUIDField()
    state = models.CharField(max_length=12, choices=State)
    execution_date = models.DateField()
    payment_count = models.PositiveIntegerField()
    total_minor = MoneyMinorField()
    currency = CurrencyField()
    sha256 = models.CharField(max_length=64, default="")
    file_name = models.CharField(max_length=100, default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["rail", "number"], name="payments_batch_number"),
        ]

    def __str__(self) -> str:
        return self.message_id


class AchProfile(TenantModel):
    """How one of our bank accounts takes part in the ACH: who we are there, and the counters of its files.

    The counters are taken under the row's lock, so that they have no gaps.
    """

    settlement_account_id = models.UUIDField(unique=True)
    company_id = models.CharField(max_length=10)
    company_name = models.CharField(max_length=16)
    destination = models.CharField(max_length=9)  # the routing number of who takes our files
    destination_name = models.CharField(max_length=23, default="")
    origin = models.CharField(max_length=10)  # as the bank has assigned it
    origin_name = models.CharField(max_length=23, default="")
    segregate = models.BooleanField(default=False)  # debits and credits in batches of their own
    trace_sequence = models.PositiveIntegerField(default=0)  # the latest, of seven digits
    batch_number = models.PositiveIntegerField(default=0)  # the latest, of seven digits
    file_date = models.DateField(null=True)  # the latest file's, in the bank's time zone
    files_on_date = models.PositiveSmallIntegerField(default=0)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # The file id modifier has 36 values.
            models.CheckConstraint(
                condition=models.Q(files_on_date__lte=36), name="payments_ach_files_on_date"
            ),
        ]

    def __str__(self) -> str:
        return self.company_id


class AchFile(TenantModel):
    """What a NACHA file says of itself, fixed when its batch was closed: the same batch, the same bytes."""

    message_id = models.CharField(max_length=35, unique=True)
    batch_id = models.UUIDField()
    settlement_account_id = models.UUIDField()
    file_date = models.DateField()
    modifier = models.CharField(max_length=1)
    first_batch_number = models.PositiveIntegerField()
    same_day = models.BooleanField()
    profile = models.JSONField()  # of whom and to whom, as it was then
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["settlement_account_id", "file_date", "modifier"], name="payments_ach_modifier_once"
            ),
        ]

    def __str__(self) -> str:
        return self.message_id


class AchItem(TenantModel):
    """One entry of a NACHA file: whose payment it carries, to which account as it was known then."""

    class Kind(models.TextChoices):
        FORWARD = "forward"
        PRENOTE = "prenote"  # no money: does the account exist?
        REVERSAL = "reversal"  # takes an entry back

    kind = models.CharField(max_length=8, choices=Kind)
    message_id = models.CharField(max_length=35)
    payment_id = models.UUIDField(null=True)
    counterparty_id = models.UUIDField()
    direction = models.CharField(max_length=6)
    sec_code = models.CharField(max_length=3)
    description = models.CharField(max_length=10)
    reference = models.CharField(max_length=15)  # the identification number, which comes back with returns
    amount_minor = models.BigIntegerField()
    trace = models.CharField(max_length=15)
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(kind="prenote", amount_minor=0)
                | (models.Q(amount_minor__gt=0) & ~models.Q(kind="prenote")),
                name="payments_ach_item_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(direction__in=["credit", "debit"]), name="payments_ach_item_direction"
            ),
            models.UniqueConstraint(fields=["message_id", "trace"], name="payments_ach_trace_once"),
        ]
        indexes = [
            # A return names the trace; sequences begin again after ten million, so the newest is meant.
            models.Index(fields=["trace", "-created_at"], name="payments_ach_by_trace"),
            # The entries of a payment, and those of an account.
            models.Index(fields=["payment_id"], name="payments_ach_of_payment"),
            models.Index(fields=["counterparty_id"], name="payments_ach_of_counterparty"),
        ]

    def __str__(self) -> str:
        return self.trace


class StatusFile(TenantModel):
    """A status report that a bank sent, once: its digest, what it said, what was done with it."""

    sha256 = models.CharField(max_length=64, unique=True)
    file_name = models.CharField(max_length=200)
    format = models.CharField(max_length=20)
    message_id = models.CharField(max_length=35)
    original_message_id = models.CharField(max_length=35)
    group_status = models.CharField(max_length=8, default="")
    applied = models.PositiveIntegerField()
    unmatched = models.PositiveIntegerField()
    received_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        indexes = [models.Index(fields=["original_message_id"], name="payments_status_of_batch")]

    def __str__(self) -> str:
        return self.message_id


# Tables of cards, direct debits, exchanges, instant payments, orders of many payments and the ACH's answers stand
# apart; Django finds them from here.
import apps.payments.models_ach  # noqa: E402
import apps.payments.models_cards  # noqa: E402
import apps.payments.models_debits  # noqa: E402
import apps.payments.models_fx  # noqa: E402
import apps.payments.models_instant  # noqa: E402
import apps.payments.models_orders  # noqa: E402, F401
