"""A claim looks first for an event whose worker died; among a million that wait it must not read them all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_source_api_keys")]

    operations = [
        migrations.AddIndex(
            model_name="inboxevent",
            index=models.Index(
                fields=["next_at", "id"],
                condition=models.Q(status="processing"),
                name="webhooks_inbox_suspect",
            ),
        ),
    ]
