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
WEBHOOK_WORKERS = env.number("WEBHOOK_WORKERS", 1, at_least=1)
"""How many workers of each kind (inbox, deliveries) may work at once, over all machines."""
WEBHOOK_TIMEOUT_S = env.number("WEBHOOK_TIMEOUT_S", 15, at_least=1, at_most=30)
"""How long one attempt of a delivery may take in all, from looking up the name to the last byte of the answer.
At most what a sending task has left, when its time is up, to wait for what is in the air."""
WEBHOOK_LEASE_S = env.number("WEBHOOK_LEASE_S", 60)
"""How long a worker has for what it has claimed, before another one takes over."""
if WEBHOOK_LEASE_S <= WEBHOOK_TIMEOUT_S:
    raise env.BadEnvironment(
        f"WEBHOOK_LEASE_S ({WEBHOOK_LEASE_S}) is longer than WEBHOOK_TIMEOUT_S ({WEBHOOK_TIMEOUT_S}): "
        "a lease that ends while an attempt is still in the air lets a second worker send the same delivery"
    )
WEBHOOK_HISTORY_DAYS = env.number("WEBHOOK_HISTORY_DAYS", 90, at_least=1)
WEBHOOK_BODIES_DAYS = env.number("WEBHOOK_BODIES_DAYS", 90, at_least=1)

BANK_FILES_EVERY_S = env.number("BANK_FILES_EVERY_S", 5 if ENVIRONMENT == "sandbox" else 900)
"""How often approved payments go out and the bank's answers are looked for, in seconds."""

BANK_CUT_OFFS = env.words("BANK_CUT_OFFS")
"""Cut-offs of our banks where they differ from a rail's usual ones, with commas between: each is
`rail name HH:MM zone [same-day]`, such as `sepa_ct afternoon 15:30 Europe/Berlin same-day`."""
BANK_PORT = env.number("BANK_PORT", 0)
"""Where the sandbox's bank listens on this machine; `make run` chooses it. 0: it does not."""
_BANK = f"http://127.0.0.1:{BANK_PORT}" if BANK_PORT and ENVIRONMENT == "sandbox" else ""
PROVIDER_URLS = {
    name: env.text(f"{name.upper()}_URL", f"{_BANK}/{name}" if _BANK else "")
    for name in ("sepa_inst", "fednow", "payee_verification", "card_processor")
}
"""Where each instant rail, the verification of payees and the card processor is reached (SEPA_INST_URL …): https, or this machine."""
PROVIDER_CERTIFICATE = env.text("PROVIDER_CERTIFICATE")
"""A file with our certificate and key, for providers that ask for it (mutual TLS)."""
PROVIDER_CA = env.text("PROVIDER_CA")
"""A file with the authorities that providers' certificates come from, where they are not public ones."""
INSTANT_BUDGET_S = env.number("INSTANT_BUDGET_S", 5)
"""How much of the rail's time our own part may take; a message that would leave later does not leave."""
INSTANT_SENDERS = env.number("INSTANT_SENDERS", 8)
"""How many instant payments one worker sends at once."""
SEPA_INST_AMOUNT_MAX_MINOR = env.number("SEPA_INST_AMOUNT_MAX_MINOR", 99_999_999_999)
FEDNOW_AMOUNT_MAX_MINOR = env.number("FEDNOW_AMOUNT_MAX_MINOR", 50_000_000)
"""What one payment may move on the rail, by the scheme's limit or our bank's, in cents."""

CARD_PROCESSOR_KEY = env.text("CARD_PROCESSOR_KEY", "sandbox" if ENVIRONMENT == "sandbox" else "")
"""The key of the card processor's API. It is never stored in the database."""
CARD_PROCESSOR_TIMEOUT_S = env.number("CARD_PROCESSOR_TIMEOUT_S", 20)
"""How long an answer may take before the outcome counts as unknown and is asked about."""
CARDS_EVERY_S = env.number("CARDS_EVERY_S", 5)
"""How often card requests that were left unsent or unanswered are looked for, in seconds."""

APPROVAL_DAYS = env.number("APPROVAL_DAYS", 14)
"""After how many days an order that nobody has approved is cancelled, and its money is free again."""

FX_QUOTE_S = env.number("FX_QUOTE_S", 60, at_least=1, at_most=86_400)
"""How long a quote for exchanging currencies holds, in seconds."""
FX_RATE_AGE_MAX_S = env.number("FX_RATE_AGE_MAX_S", 5 * 86_400 + 7_200, at_least=1)
"""How old a listed rate may be to be quoted: reference rates skip the days of a long Easter weekend."""
FX_SPREAD_BP = env.number("FX_SPREAD_BP", 100, at_least=0, at_most=2_000)
"""The spread, in basis points, of organisations that have no terms of their own for a pair."""
FX_RATE_JUMP_BP = env.number("FX_RATE_JUMP_BP", 2_000, at_least=1)
"""By how many basis points a loaded rate may differ from the one before without being asked about."""
