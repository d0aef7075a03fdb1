"""Celery: it only wakes workers. The tables are the record; losing the broker costs latency."""

from __future__ import annotations

from config import env
from config.settings.base import ENVIRONMENT, VAR_DIR

REDIS_URL = env.text("REDIS_URL")
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL") or REDIS_URL or "filesystem://"
BROKER_DIR = VAR_DIR / "broker"

BANK_OUTGOING_DIR = VAR_DIR / "bank" / "outgoing"
BANK_INCOMING_DIR = VAR_DIR / "bank" / "incoming"

WEBHOOK_ALLOW_LOCAL = env.flag("WEBHOOK_ALLOW_LOCAL", default=False)
"""Send webhooks to http and to addresses of this machine too: for development, never where strangers register."""
WEBHOOK_PROXY = env.text("WEBHOOK_PROXY")
"""An egress proxy (http://host:port) that all deliveries leave through, for a static address; it must guard too."""
WEBHOOK_WORKERS = env.number("WEBHOOK_WORKERS", 1)
"""How many workers of each kind (inbox, deliveries) may work at once, over all machines."""
WEBHOOK_LEASE_S = env.number("WEBHOOK_LEASE_S", 60)
"""How long a worker has for what it has claimed, before another one takes over."""
WEBHOOK_HISTORY_DAYS = env.number("WEBHOOK_HISTORY_DAYS", 90)
WEBHOOK_BODIES_DAYS = env.number("WEBHOOK_BODIES_DAYS", 90)

BANK_FILES_EVERY_S = env.number("BANK_FILES_EVERY_S", 5 if ENVIRONMENT == "sandbox" else 900)
"""How often approved payments go out and the bank's answers are looked for, in seconds."""

BANK_CUT_OFFS = env.words("BANK_CUT_OFFS")
"""Cut-offs of our banks where they differ from a rail's usual ones, with commas between: each is
`rail name HH:MM zone [same-day]`, such as `sepa_ct afternoon 15:30 Europe/Berlin same-day`."""
