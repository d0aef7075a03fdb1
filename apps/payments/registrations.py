"""What payments bring when the platform starts: the profiles of our banks."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.payments.profiles import BadProfile, use_cut_offs

try:
    use_cut_offs(settings.BANK_CUT_OFFS)
except BadProfile as problem:
    raise ImproperlyConfigured(f"BANK_CUT_OFFS: {problem}") from None
