"""Budgets of upstream hosts and remembered refusals."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0015_peers"),
    ]

    operations = [
        migrations.CreateModel(
            name="HostBudget",
            fields=[
                (
                    "key",
                    models.CharField(
                        help_text="Host, port, and api or files.",
                        max_length=300,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("allowance", models.PositiveSmallIntegerField(help_text="Requests at a time.")),
                ("tokens", models.FloatField(help_text="Requests that may go at once, as of refilled.")),
                ("refilled", models.FloatField()),
                ("eased", models.FloatField(default=0)),
                ("blocked_until", models.FloatField(default=0)),
                ("strikes", models.PositiveIntegerField(default=0, help_text="Refusals in a row.")),
                ("quota", models.BigIntegerField(blank=True, null=True)),
                ("quota_window", models.FloatField(blank=True, help_text="Seconds.", null=True)),
                ("quota_left", models.BigIntegerField(blank=True, null=True)),
                ("quota_until", models.FloatField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="RememberedRefusal",
            fields=[
                (
                    "key",
                    models.CharField(
                        help_text="SHA256 of method, address and token.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.TextField(help_text="Without secrets.")),
                ("code", models.CharField(max_length=64)),
                ("message", models.TextField()),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("asked", models.DateTimeField()),
                ("expires", models.DateTimeField(db_index=True)),
                (
                    "opens",
                    models.DateTimeField(
                        blank=True, help_text="When early access ends, where told.", null=True
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HostSlot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("worker", models.CharField(max_length=128)),
                ("asked", models.FloatField()),
                ("until", models.FloatField()),
                (
                    "budget",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="slots",
                        to="registry.hostbudget",
                    ),
                ),
            ],
        ),
    ]
