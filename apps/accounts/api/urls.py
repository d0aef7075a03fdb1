"""Addresses of customers and payment accounts, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.accounts.api import accounts, customers

urlpatterns = [
    path("customers", customers.Customers.as_view()),
    path("customers/search", customers.CustomerSearch.as_view()),
    path("customers/<str:customer_id>", customers.Customer.as_view()),
    path("customers/<str:customer_id>/beneficiaries", customers.Beneficiaries.as_view()),
    path("beneficiaries/<str:beneficiary_id>", customers.Beneficiary.as_view()),
    path("accounts", accounts.Accounts.as_view()),
    path("accounts/<str:account_id>", accounts.Account.as_view()),
    path("accounts/<str:account_id>/block", accounts.BlockAccount.as_view()),
    path("accounts/<str:account_id>/unblock", accounts.UnblockAccount.as_view()),
    path("accounts/<str:account_id>/close", accounts.CloseAccount.as_view()),
    path("accounts/<str:account_id>/balance", accounts.Balance.as_view()),
    path("accounts/<str:account_id>/statement", accounts.Statement.as_view()),
]
