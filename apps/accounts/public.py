"""The door of the accounts context: organisations, staff, customers, payment accounts, beneficiaries."""

from __future__ import annotations

from apps.accounts.closing import CLOSING_GUARDS, AccountInUse
from apps.accounts.commands.beneficiaries import AddBeneficiary, RemoveBeneficiary
from apps.accounts.commands.customers import ChangeCustomer, CreateCustomer, CreateCustomerLogin
from apps.accounts.commands.erasure import AccountsOpen, EraseCustomer
from apps.accounts.commands.organisations import OpenOrganisation
from apps.accounts.commands.payment_accounts import (
    BlockPaymentAccount,
    ClosePaymentAccount,
    IbanTaken,
    OpenPaymentAccount,
    UnblockPaymentAccount,
)
from apps.accounts.commands.staff import ChangeStaffRole, CreateStaffUser, DisableStaffUser, DisableUser
from apps.accounts.domain import BadIban, clean_iban, clean_name, issue_iban
from apps.accounts.models import Beneficiary, CustomerLogin, Organisation, Party, PaymentAccount, User
from apps.accounts.queries import (
    NoOperator,
    account_data,
    beneficiaries,
    companion_code,
    customer,
    customer_data,
    customer_login,
    customers,
    customers_matching,
    is_trusted,
    lock_payment_account,
    lock_payment_accounts,
    masked_iban,
    operator,
    organisation,
    organisation_data,
    payment_account,
    payment_account_by_iban,
    payment_account_by_ledger_account,
    payment_accounts,
    payment_accounts_by_id,
    staff_actor,
    user_by_public_id,
)
from apps.accounts.roles import ROLES, Role, permissions_of

__all__ = [
    "CLOSING_GUARDS",
    "ROLES",
    "AccountInUse",
    "AccountsOpen",
    "AddBeneficiary",
    "BadIban",
    "Beneficiary",
    "BlockPaymentAccount",
    "ChangeCustomer",
    "ChangeStaffRole",
    "ClosePaymentAccount",
    "CreateCustomer",
    "CreateCustomerLogin",
    "CreateStaffUser",
    "CustomerLogin",
    "DisableStaffUser",
    "DisableUser",
    "EraseCustomer",
    "IbanTaken",
    "NoOperator",
    "OpenOrganisation",
    "OpenPaymentAccount",
    "Organisation",
    "Party",
    "PaymentAccount",
    "RemoveBeneficiary",
    "Role",
    "UnblockPaymentAccount",
    "User",
    "account_data",
    "beneficiaries",
    "clean_iban",
    "clean_name",
    "companion_code",
    "customer",
    "customer_data",
    "customer_login",
    "customers",
    "customers_matching",
    "is_trusted",
    "issue_iban",
    "lock_payment_account",
    "lock_payment_accounts",
    "masked_iban",
    "operator",
    "organisation",
    "organisation_data",
    "payment_account",
    "payment_account_by_iban",
    "payment_account_by_ledger_account",
    "payment_accounts",
    "payment_accounts_by_id",
    "permissions_of",
    "staff_actor",
    "user_by_public_id",
]
