"""Tables of exchanges: rates as sources list them, what an organisation is charged, quotes."""

from __future__ import annotations

from fractions import Fraction

from django.db import models

from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.core.money import Money
from apps.payments.domain.fx import FEE_MINOR_MAX, SPREAD_BP_MAX, Exchange, Listed

FRACTION_DIGITS = 60


class FxRate(models.Model):
    """One unit of `base` in units of `currency`, as a source lists it. Platform-wide and never changed."""

    id = models.UUIDField(primary_key=True, editable=False)
    source = models.CharField(max_length=30)
    base = CurrencyField()
    currency = CurrencyField()
    rate = models.DecimalField(max_digits=20, decimal_places=10)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)  # None: until a newer one of the source
    recorded_at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))

    class Meta:
        constraints = [
            # Also how the newest is found.
            models.UniqueConstraint(
                fields=["base", "currency", "source", "valid_from"], name="payments_fx_rate_once"
            ),
            models.CheckConstraint(
                condition=models.Q(rate__gt=0) & ~models.Q(base=models.F("currency")),
                name="payments_fx_rate_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.base}/{self.currency} {self.valid_from}"

    @property
    def listed(self) -> Listed:
        """Return the rate as a value."""
        return Listed(self.source, self.base, self.currency, self.rate, self.valid_from)


class FxTerms(TenantModel):
    """A version of what an organisation is charged for exchanging one currency into another."""

    sold_currency = CurrencyField()
    bought_currency = CurrencyField()
    version = models.PositiveIntegerField()
    effective_from = models.DateField()
    spread_bp = models.PositiveSmallIntegerField()
    fee_minor = MoneyMinorField()
    set_by = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "sold_currency", "bought_currency", "version"],
                name="payments_fx_terms_version",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    spread_bp__lte=SPREAD_BP_MAX, fee_minor__gte=0, fee_minor__lte=FEE_MINOR_MAX
                ),
                name="payments_fx_terms_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.sold_currency}/{self.bought_currency} {self.version}"


class FxQuote(TenantModel):
    """An offer to exchange, good once and until it expires. Never changed; the payment that used it names it.

    The mid rate is a fraction, exact. The ledger accounts are those that the exchange will post to.
    """

    sold_minor = MoneyMinorField()
    sold_currency = CurrencyField()
    bought_minor = MoneyMinorField()
    bought_currency = CurrencyField()
    fixed = models.CharField(max_length=6)  # which amount was asked for: sold or bought
    mid_numerator = models.DecimalField(max_digits=FRACTION_DIGITS, decimal_places=0)
    mid_denominator = models.DecimalField(max_digits=FRACTION_DIGITS, decimal_places=0)
    spread_bp = models.PositiveSmallIntegerField()
    spread_minor = MoneyMinorField()  # of what is sold
    fee_minor = MoneyMinorField()  # in the sold currency, on top
    source = models.CharField(max_length=30)
    rate_at = models.DateTimeField()  # since when the oldest rate behind it has been valid
    position_sold_id = models.BigIntegerField()
    position_bought_id = models.BigIntegerField()
    spread_id = models.BigIntegerField()
    fee_id = models.BigIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    asked_by = models.CharField(max_length=120)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(
                    sold_minor__gt=0,
                    bought_minor__gt=0,
                    spread_minor__gte=0,
                    fee_minor__gte=0,
                    mid_numerator__gt=0,
                    mid_denominator__gt=0,
                    fixed__in=["sold", "bought"],
                    expires_at__gt=models.F("created_at"),
                )
                & ~models.Q(sold_currency=models.F("bought_currency")),
                name="payments_fx_quote_sound",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def exchange(self) -> Exchange:
        """Return what is exchanged, as a value."""
        return Exchange(
            Money(self.sold_minor, self.sold_currency),
            Money(self.bought_minor, self.bought_currency),
            Money(self.spread_minor, self.sold_currency),
            Money(self.fee_minor, self.sold_currency),
            Fraction(int(self.mid_numerator), int(self.mid_denominator)),
        )
