"""Exchanges between currencies: listed rates, terms, quotes, and what a payment says of its own."""

import apps.core.fields
from django.db import migrations, models

from apps.core.migration_ops import append_only, isolate, sql_file, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0017_automatic_retries"),
    ]

    operations = [
        migrations.CreateModel(
            name="FxQuote",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("sold_minor", apps.core.fields.MoneyMinorField()),
                ("sold_currency", apps.core.fields.CurrencyField(max_length=3)),
                ("bought_minor", apps.core.fields.MoneyMinorField()),
                ("bought_currency", apps.core.fields.CurrencyField(max_length=3)),
                ("fixed", models.CharField(max_length=6)),
                ("mid_numerator", models.DecimalField(decimal_places=0, max_digits=60)),
                ("mid_denominator", models.DecimalField(decimal_places=0, max_digits=60)),
                ("spread_bp", models.PositiveSmallIntegerField()),
                ("spread_minor", apps.core.fields.MoneyMinorField()),
                ("fee_minor", apps.core.fields.MoneyMinorField()),
                ("source", models.CharField(max_length=30)),
                ("rate_at", models.DateTimeField()),
                ("position_sold_id", models.BigIntegerField()),
                ("position_bought_id", models.BigIntegerField()),
                ("spread_id", models.BigIntegerField()),
                ("fee_id", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("asked_by", models.CharField(max_length=120)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="FxRate",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("source", models.CharField(max_length=30)),
                ("base", apps.core.fields.CurrencyField(max_length=3)),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("rate", models.DecimalField(decimal_places=10, max_digits=20)),
                ("valid_from", models.DateTimeField()),
                ("valid_until", models.DateTimeField(null=True)),
                ("recorded_at", models.DateTimeField(db_default=models.Func(function="clock_timestamp"))),
            ],
        ),
        migrations.CreateModel(
            name="FxTerms",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("sold_currency", apps.core.fields.CurrencyField(max_length=3)),
                ("bought_currency", apps.core.fields.CurrencyField(max_length=3)),
                ("version", models.PositiveIntegerField()),
                ("effective_from", models.DateField()),
                ("spread_bp", models.PositiveSmallIntegerField()),
                ("fee_minor", apps.core.fields.MoneyMinorField()),
                ("set_by", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="payment",
            name="exchange_rate",
            field=models.DecimalField(decimal_places=30, max_digits=60, null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="exchange_seq",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="quote_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="source_currency",
            field=apps.core.fields.CurrencyField(default="", max_length=3),
        ),
        migrations.AddField(
            model_name="payment",
            name="source_minor",
            field=apps.core.fields.MoneyMinorField(null=True),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(fields=("quote_id",), name="payments_quote_used_once"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("exchange_rate__isnull", True),
                        ("exchange_seq__isnull", True),
                        ("quote_id__isnull", True),
                        ("source_currency", ""),
                        ("source_minor__isnull", True),
                    ),
                    models.Q(
                        ("exchange_rate__gt", 0),
                        ("exchange_seq__isnull", False),
                        ("kind__in", ["transfer", "payout"]),
                        ("quote_id__isnull", False),
                        ("source_minor__gt", 0),
                        models.Q(("source_currency__in", ["", models.F("currency")]), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="payments_exchange_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="fxquote",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_fxquote_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="fxquote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bought_minor__gt", 0),
                    ("expires_at__gt", models.F("created_at")),
                    ("fee_minor__gte", 0),
                    ("fixed__in", ["sold", "bought"]),
                    ("mid_denominator__gt", 0),
                    ("mid_numerator__gt", 0),
                    ("sold_minor__gt", 0),
                    ("spread_minor__gte", 0),
                    models.Q(("sold_currency", models.F("bought_currency")), _negated=True),
                ),
                name="payments_fx_quote_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="fxrate",
            constraint=models.UniqueConstraint(
                fields=("base", "currency", "source", "valid_from"), name="payments_fx_rate_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="fxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("rate__gt", 0), models.Q(("base", models.F("currency")), _negated=True)),
                name="payments_fx_rate_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="fxterms",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_fxterms_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="fxterms",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "sold_currency", "bought_currency", "version"),
                name="payments_fx_terms_version",
            ),
        ),
        migrations.AddConstraint(
            model_name="fxterms",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_minor__gte", 0), ("fee_minor__lte", 1000000), ("spread_bp__lte", 2000)
                ),
                name="payments_fx_terms_sound",
            ),
        ),
        *(isolate(f"payments_{table}") for table in ("fxterms", "fxquote")),
        *(append_only(f"payments_{table}") for table in ("fxrate", "fxterms", "fxquote")),
        tenant_reference("payments_payment", "quote_id", "payments_fxquote"),
        sql_file(
            __file__,
            "immutable_exchanges.sql",
            reverse="DROP TRIGGER keep_exchange ON payments_payment; DROP FUNCTION payments_keep_exchange();",
        ),
    ]
