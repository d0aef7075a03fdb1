"""What can be done with organisations, customers, payment accounts, beneficiaries and staff."""

from apps.accounts.commands.beneficiaries import AddBeneficiary, RemoveBeneficiary
from apps.accounts.commands.customers import ChangeCustomer, CreateCustomer, CreateCustomerLogin
from apps.accounts.commands.erasure import EraseCustomer
from apps.accounts.commands.organisations import OpenOrganisation
from apps.accounts.commands.payment_accounts import (
    BlockPaymentAccount,
    ClosePaymentAccount,
    OpenPaymentAccount,
    UnblockPaymentAccount,
)
from apps.accounts.commands.staff import ChangeStaffRole, CreateStaffUser, DisableUser

__all__ = [
    "AddBeneficiary",
    "BlockPaymentAccount",
    "ChangeCustomer",
    "ChangeStaffRole",
    "ClosePaymentAccount",
    "CreateCustomer",
    "CreateCustomerLogin",
    "CreateStaffUser",
    "DisableUser",
    "EraseCustomer",
    "OpenOrganisation",
    "OpenPaymentAccount",
    "RemoveBeneficiary",
    "UnblockPaymentAccount",
]
