"""Everything that can be asked of reconciliation. One module a use case."""

from apps.reconciliation.commands.bank_accounts import AddBankAccount
from apps.reconciliation.commands.imports import ImportStatement

__all__ = ["AddBankAccount", "ImportStatement"]
