"""What can be done with organisations, customers, payment accounts, beneficiaries and staff."""

from apps.accounts.commands.beneficiaries import AddBeneficiary, RemoveBeneficiary
from apps.accounts.commands.customers import ChangeCustomer, CreateCustomer, CreateCustomerLogin
from apps.accounts.commands.organisations import OpenOrganisation
from apps.accounts.commands.staff import ChangeStaffRole, CreateStaffUser, DisableUser

__all__ = [
    "AddBeneficiary", "ChangeCustomer", "ChangeStaffRole", "CreateCustomer", "CreateCustomerLogin",
    "CreateStaffUser", "DisableUser", "OpenOrganisation", "RemoveBeneficiary",
]
