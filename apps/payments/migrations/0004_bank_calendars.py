"""The days on which banks are closed, frozen: a date promised today is not moved by an upgrade tomorrow."""

import csv
import uuid
from datetime import date
from pathlib import Path

from django.db import migrations, models

LIST = Path(__file__).parent / "data" / "bank_holidays_2020_2035.csv"
SOURCE, VERSION = "holidays", "0.109"
_NAMESPACE = uuid.UUID("5c1f5f2e-5a53-5d0b-9b1c-7a7f0e6f6a01")


def freeze(apps, schema_editor):
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    apps.get_model("payments", "BankHoliday").objects.bulk_create(
        apps.get_model("payments", "BankHoliday")(
            id=uuid.uuid5(_NAMESPACE, f"{row['calendar']} {row['day']}"),
            calendar=row["calendar"],
            day=date.fromisoformat(row["day"]),
            name=row["name"],
            source=SOURCE,
            source_version=VERSION,
        )
        for row in csv.DictReader(lines)
    )


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_us_accounts")]

    operations = [
        migrations.CreateModel(
            name="BankHoliday",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("calendar", models.CharField(max_length=10)),
                ("day", models.DateField()),
                ("name", models.CharField(max_length=80)),
                ("source", models.CharField(max_length=30)),
                ("source_version", models.CharField(max_length=20)),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=models.Func(function="clock_timestamp")),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("calendar", "day"), name="payments_bank_holiday_once"),
                    models.CheckConstraint(
                        condition=models.Q(("calendar__in", ["FED", "TARGET"])),
                        name="payments_bank_holiday_calendar",
                    ),
                ],
            },
        ),
        migrations.RunPython(freeze, migrations.RunPython.noop),
    ]
