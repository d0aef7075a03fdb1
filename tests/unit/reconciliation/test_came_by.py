"""By which rail a credit came, as far as the bank's code tells it."""

import pytest

from apps.reconciliation.matching.bookings import came_by
from apps.reconciliation.models import StatementLine


@pytest.mark.parametrize(
    ("currency", "bank_code", "rail"),
    [
        ("EUR", "PMNT/RRCT/ESCT", "sepa_inst"),
        ("USD", "PMNT/RRCT/DMCT", "fednow"),
        ("EUR", "PMNT/RCDT/ESCT", ""),
        ("EUR", "", ""),
        ("EUR", "PMNT/RCDT/XRRCT", ""),
        ("GBP", "PMNT/RRCT/DMCT", ""),
    ],
)
def test_is_an_instant_rail_only_where_the_bank_says_so(currency, bank_code, rail):
    assert came_by(StatementLine(currency=currency, bank_code=bank_code)) == rail
