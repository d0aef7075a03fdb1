"""Choices that several members of the API share, for `ENUM_NAME_OVERRIDES` to give each set one name.

Where a set is used once, its name follows from the component and the member, and nothing is said here.
"""

from __future__ import annotations

from apps.payments.domain.lifecycle import Kind, State
from apps.payments.domain.mandates import ACH, MandateState, Scheme
from apps.payments.domain.payee import Result
from apps.payments.domain.recalls import RecallReason
from apps.payments.rails.base import Action

PAYMENT_TYPES = [kind.value for kind in Kind]
PAYMENT_STATES = [state.value for state in State]
MANDATE_STATES = [state.value for state in MandateState]
SCHEMES = [*(scheme.value for scheme in Scheme), ACH]
RECALL_REASONS = [reason.value for reason in RecallReason]
PAYEE_RESULTS = [result.value for result in Result]
ADVICE = [action.value for action in Action]
