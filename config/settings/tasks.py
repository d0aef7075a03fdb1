"""Celery: it only wakes workers. The tables are the record; losing the broker costs latency."""

from __future__ import annotations

from config import env
from config.settings.base import VAR_DIR

REDIS_URL = env.text("REDIS_URL")
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL") or REDIS_URL or "filesystem://"
BROKER_DIR = VAR_DIR / "broker"

BANK_OUTGOING_DIR = VAR_DIR / "bank" / "outgoing"
BANK_INCOMING_DIR = VAR_DIR / "bank" / "incoming"
