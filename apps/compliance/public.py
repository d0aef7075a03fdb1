"""The door of the compliance context: the audit writer, the approval policy, the record's queries."""

from __future__ import annotations

from apps.compliance.approvals import (
    MAKER_PERMISSIONS,
    AlreadyWaiting,
    MakerPermissions,
    needs_approval,
    require_approval,
)
from apps.compliance.audit import write_audit
from apps.compliance.commands import ApproveRequest, ExpireRequests, MakerLostPermission, RejectRequest
from apps.compliance.domain import (
    APPROVAL_LIFETIME,
    AlreadyDecided,
    MakerIsChecker,
    NotAPerson,
    PayloadChanged,
    RequestExpired,
)
from apps.compliance.models import Approval, AuditEntry
from apps.compliance.queries import (
    ApprovalView,
    AuditView,
    approval_of,
    audit_of_actor,
    audit_of_correlation,
    audit_of_object,
    waiting_approvals,
)

__all__ = [
    "APPROVAL_LIFETIME",
    "MAKER_PERMISSIONS",
    "AlreadyDecided",
    "AlreadyWaiting",
    "Approval",
    "ApprovalView",
    "ApproveRequest",
    "AuditEntry",
    "AuditView",
    "ExpireRequests",
    "MakerIsChecker",
    "MakerLostPermission",
    "MakerPermissions",
    "NotAPerson",
    "PayloadChanged",
    "RejectRequest",
    "RequestExpired",
    "approval_of",
    "audit_of_actor",
    "audit_of_correlation",
    "audit_of_object",
    "needs_approval",
    "require_approval",
    "waiting_approvals",
    "write_audit",
]
