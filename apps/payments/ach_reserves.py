"""Until when money collected by the ACH stays in the reserve: silence means success."""

from __future__ import annotations

from datetime import date

from apps.payments.calendar import calendar
from apps.payments.models import Payment
from apps.payments.models_ach import AchCollectionPolicy
from apps.payments.rails.ach import RETURN_BANKING_DAYS

DEFAULT_RESERVE_BANKING_DAYS = RETURN_BANKING_DAYS + 1
"""A return may come with the second banking day's files; on the third morning there was none."""


def free_on(payment: Payment, settled_on: date) -> date:
    """Return the banking day on which a settled debit's money is free, by its organisation's policy."""
    policy = AchCollectionPolicy.objects.filter(organisation_id=payment.organisation_id).first()
    days = policy.reserve_banking_days if policy is not None else DEFAULT_RESERVE_BANKING_DAYS
    return calendar("FED").add(settled_on, days)
