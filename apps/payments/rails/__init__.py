"""The rails that money travels on, one adapter each, behind one protocol (`base.Rail`)."""

from apps.payments.rails.ach import Ach
from apps.payments.rails.base import Rail
from apps.payments.rails.card import Card
from apps.payments.rails.fednow import FedNow
from apps.payments.rails.instant import InstantRail
from apps.payments.rails.sepa_ct import SepaCreditTransfer
from apps.payments.rails.sepa_dd import SepaDirectDebit
from apps.payments.rails.sepa_inst import SepaInstant

_RAILS: tuple[Rail, ...] = (
    SepaCreditTransfer(),
    SepaInstant(),
    SepaDirectDebit(),
    Ach(),
    FedNow(),
    Card(),
)
ADAPTERS: dict[str, Rail] = {adapter.name: adapter for adapter in _RAILS}


def adapter(rail: str) -> Rail:
    """Return the adapter of a rail. Raises KeyError for one that has none."""
    return ADAPTERS[rail]


def rails_with_files() -> list[str]:
    """Return the rails whose payments travel in files, in the order of their names."""
    return sorted(name for name, rail in ADAPTERS.items() if rail.capabilities().files)


def instant_rail(rail: str) -> InstantRail:
    """Return the adapter of a rail that answers in seconds. Raises KeyError for any other."""
    found = ADAPTERS[rail]
    if not isinstance(found, InstantRail):
        raise KeyError(rail)
    return found


def instant_rails() -> list[str]:
    """Return the rails that answer in seconds, in the order of their names."""
    return sorted(name for name, rail in ADAPTERS.items() if isinstance(rail, InstantRail))
