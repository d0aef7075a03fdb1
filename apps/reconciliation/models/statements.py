"""The bank's side: accounts we follow, files, statements and their lines."""

from __future__ import annotations

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.reconciliation.domain.words import AccountRole, LineState, Proof, Reversals

REFERENCE_MAX = 140
TEXT_MAX = 8_000


def choices(words: type) -> list[tuple[str, str]]:
    """Give an enumeration as Django's choices."""
    return [(word.value, word.value) for word in words]  # type: ignore[attr-defined]


def one_of(column: str, words: type, name: str) -> models.CheckConstraint:
    """Let a column hold the enumeration's words and no others."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{column}__in": [word.value for word in words]}),  # type: ignore[attr-defined]
        name=name,
    )


class BankAccount(TenantModel):
    """An account at a bank whose statements we read, in one currency, with how that bank behaves.

    `settlement_account_id` is its counterpart in payments where the books mirror it.
    """

    number = models.CharField(max_length=40)  # the IBAN, or the bank's own number, without spaces
    currency = CurrencyField()
    name = models.CharField(max_length=70)
    role = models.CharField(max_length=12, choices=choices(AccountRole))
    settlement_account_id = models.UUIDField(null=True)
    lenient = models.BooleanField(default=False)  # its files break the schema and are read all the same
    reversals = models.CharField(
        max_length=12, choices=choices(Reversals), default=Reversals.AS_WRITTEN.value
    )
    days_before = models.PositiveSmallIntegerField(default=2)  # business days before the due date
    days_after = models.PositiveSmallIntegerField(default=5)  # business days after it; then it is missing
    added_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "number", "currency"], name="reconciliation_account_once"
            ),
            one_of("role", AccountRole, "reconciliation_account_role"),
            one_of("reversals", Reversals, "reconciliation_account_reversals"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.currency}"


class StatementFile(TenantModel):
    """A file that a bank sent, once: its digest, its format and what the reader remarked."""

    sha256 = models.CharField(max_length=64)
    format = models.CharField(max_length=30)
    message_id = models.CharField(max_length=REFERENCE_MAX)
    name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    lenient = models.BooleanField()
    findings = models.JSONField()
    received_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["organisation_id", "sha256"], name="reconciliation_file_once"),
        ]

    def __str__(self) -> str:
        return self.sha256


class Statement(TenantModel):
    """One account's statement (camt.053, MT940, BAI2), interim report or advice.

    `day` is the day its closing balance speaks of. `entry_count`, `credit_minor` and `debit_minor`
    count every entry as the bank wrote it; `known_count` of its lines came before, in another one. The
    pages of a statement are rows of their own, which prove their day together (`domain/pages.py`).
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    file = models.ForeignKey(StatementFile, models.PROTECT, db_constraint=False)
    bank_id = models.CharField(max_length=REFERENCE_MAX)
    kind = models.CharField(max_length=10)  # statement, interim, advice
    sequence = models.CharField(max_length=40)
    page = models.PositiveIntegerField()
    paging = models.CharField(max_length=4, default="")  # of a longer statement: "more" follow, or "last"
    told_sums = models.JSONField(default=dict)  # what the bank says its entries count and sum up to
    from_date = models.DateField(null=True)
    to_date = models.DateField(null=True)
    day = models.DateField()
    currency = CurrencyField()
    opening_minor = MoneyMinorField(null=True)
    closing_minor = MoneyMinorField(null=True)
    booked_minor = MoneyMinorField(null=True)  # null where the entries mix currencies
    entry_count = models.PositiveIntegerField()
    line_count = models.PositiveIntegerField()
    known_count = models.PositiveIntegerField()
    credit_minor = MoneyMinorField()
    debit_minor = MoneyMinorField()
    proof = models.CharField(max_length=10, choices=choices(Proof))
    proof_reasons = models.JSONField()
    imported_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # Banks use their statement ids again every year: the period is part of what is unique.
            models.UniqueConstraint(
                fields=["bank_account", "kind", "bank_id", "sequence", "page", "day", "from_date", "to_date"],
                nulls_distinct=False,
                name="reconciliation_statement_once",
            ),
            one_of("proof", Proof, "reconciliation_statement_proof"),
        ]
        indexes = [
            # The matrix of days and accounts, and the chain of opening and closing balances.
            models.Index(fields=["bank_account", "kind", "day"], name="reconciliation_by_day"),
        ]

    def __str__(self) -> str:
        return self.bank_id


class StatementLine(TenantModel):
    """A part of a statement's entry that is matched on its own: the entry, a detail of it, a charge.

    The parts of an entry (same `position`) sum to its amount. References are kept as they are compared:
    capitals, without spaces. Name, account number, remittance and the bank's remarks are sealed as one
    text; `counterparty` is a blind index of the other side's account number.
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    statement = models.ForeignKey(Statement, models.PROTECT, db_constraint=False)
    position = models.PositiveIntegerField()
    part = models.PositiveIntegerField()
    kind = models.CharField(max_length=8)  # entry, detail, charge
    status = models.CharField(max_length=12)  # BOOK, PDNG, INFO
    amount_minor = MoneyMinorField()  # a credit is positive, as the bank marked it
    currency = CurrencyField()
    booking_date = models.DateField()
    value_date = models.DateField(null=True)
    end_to_end = models.CharField(max_length=REFERENCE_MAX)
    uetr = models.CharField(max_length=36)
    message_id = models.CharField(max_length=REFERENCE_MAX)
    batch_id = models.CharField(max_length=REFERENCE_MAX)
    creditor_reference = models.CharField(max_length=REFERENCE_MAX)
    bank_reference = models.CharField(max_length=REFERENCE_MAX)
    bank_code = models.CharField(max_length=60)
    return_reason = models.CharField(max_length=40)
    reversal = models.BooleanField()
    counterparty = models.BinaryField(null=True)
    text = EncryptedTextField(purpose="statement", subject="subject_id", max_length=TEXT_MAX, null=True)
    subject_id = models.UUIDField()  # under whose key the text is sealed: its file's
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=choices(LineState))
    match_id = models.UUIDField(null=True)  # the one match it is in

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # The same line in two overlapping statements is one line.
            models.UniqueConstraint(
                fields=["bank_account", "fingerprint", "part"], name="reconciliation_line_once"
            ),
            one_of("state", LineState, "reconciliation_line_state"),
            models.CheckConstraint(
                condition=models.Q(state=LineState.MATCHED.value, match_id__isnull=False)
                | models.Q(match_id__isnull=True) & ~models.Q(state=LineState.MATCHED.value),
                name="reconciliation_line_matched",
            ),
        ]
        indexes = [
            # What a run looks at: open lines only, however long the history.
            models.Index(
                fields=["bank_account", "end_to_end"],
                condition=models.Q(state=LineState.OPEN.value),
                name="reconciliation_open_lines",
            ),
            models.Index(fields=["statement", "position", "part"], name="reconciliation_in_statement"),
            models.Index(fields=["bank_account", "booking_date"], name="reconciliation_line_day"),
            # "Has this reference been booked before?"
            models.Index(
                fields=["bank_account", "end_to_end", "amount_minor"],
                condition=~models.Q(end_to_end=""),
                name="reconciliation_line_ref",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
