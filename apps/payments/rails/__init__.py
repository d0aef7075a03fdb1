"""The rails that money travels on, one adapter each, behind one protocol (`base.Rail`)."""

from apps.payments.rails.ach import Ach
from apps.payments.rails.base import Rail
from apps.payments.rails.sepa_ct import SepaCreditTransfer
from apps.payments.rails.sepa_dd import SepaDirectDebit

_RAILS: tuple[Rail, ...] = (SepaCreditTransfer(), SepaDirectDebit(), Ach())
ADAPTERS: dict[str, Rail] = {adapter.name: adapter for adapter in _RAILS}


def adapter(rail: str) -> Rail:
    """Return the adapter of a rail. Raises KeyError for one that has none."""
    return ADAPTERS[rail]


def rails_with_files() -> list[str]:
    """Return the rails whose payments travel in files, in the order of their names."""
    return sorted(name for name, rail in ADAPTERS.items() if rail.capabilities().files)
