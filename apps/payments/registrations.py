"""What payments bring when the platform starts: the profiles of our banks, what keeps accounts open."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.accounts import public as accounts
from apps.payments.profiles import BadProfile, use_cut_offs
from apps.payments.queries import under_way

try:
    use_cut_offs(settings.BANK_CUT_OFFS)
except BadProfile as problem:
    raise ImproperlyConfigured(f"BANK_CUT_OFFS: {problem}") from None

accounts.CLOSING_GUARDS.register("payments", under_way)
