"""A source may hold a key of the provider's API, for the reconciler, beside the secrets that sign."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="sourcesecret",
            name="use",
            field=models.CharField(
                choices=[("signing", "Signing"), ("api", "Api")], default="signing", max_length=10
            ),
        ),
    ]
