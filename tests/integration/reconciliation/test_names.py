"""Names alone: they propose, with score and reasons, and never match or post."""

import pytest

from apps.core import tenancy
from apps.reconciliation.matching import proposals as module
from apps.reconciliation.models import Match, Proposal
from apps.reconciliation.queries import break_page


def proposals(bank):
    with tenancy.scope(tenancy.PLATFORM):
        rows = Proposal.objects.filter(bank_account_id=bank.account_id).order_by("id")
        return [(row.line_id, row.expectation_id, row.score, row.reasons) for row in rows]


@pytest.fixture
def paid(bank, merchant):
    bank.books(90_000, remittance=merchant.account)
    bank.reconcile()
    return merchant.pays_out(20_000)


class TestNamesAlone:
    @pytest.mark.parametrize(
        "name", ["EXAMPLE SUPPLIES BV", "BV Éxample Supplies", "Example   supplies, B.V."]
    )
    def test_a_similar_name_and_a_close_amount_propose_and_match_nothing(self, bank, merchant, paid, name):
        cash = bank.cash()
        bank.books(-19_850, end_to_end="ANOTHER", name=name)
        run = bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            (proposal,) = break_page(bank.only_break().id).proposals
            methods = set(
                Match.objects.filter(bank_account_id=bank.account_id).values_list("method", flat=True)
            )

            assert proposal.expectation.payment_id == paid.id
            assert (proposal.score, proposal.reasons) == (
                55,
                ["close_amount", "similar_name", "in_its_time"],
            )
            assert methods == {"payin"}
        assert run["matched"] == {} and run["breaks"] == {"unexplained": 1}
        assert merchant.payment_state(paid) == "sent" and bank.cash() == cash

    @pytest.mark.parametrize(
        ("minor", "name"),
        [(-19_850, "Somebody Else"), (-15_000, "Example Supplies BV"), (19_850, "Example Supplies BV")],
        ids=["another name", "another amount", "the other direction"],
    )
    def test_a_name_or_an_amount_of_its_own_is_not_enough(self, bank, paid, minor, name):
        bank.books(minor, end_to_end="ANOTHER", name=name)
        bank.reconcile()

        assert proposals(bank) == []

    def test_more_equal_amounts_than_are_looked_at_are_told_apart_by_the_name(
        self, bank, merchant, paid, monkeypatch
    ):
        monkeypatch.setattr(
            module, "_CANDIDATES", module._CANDIDATES.replace("count(*) <= 50", "count(*) <= 0")
        )
        bank.books(-20_000, end_to_end="ANOTHER", name="EXAMPLE SUPPLIES BV")
        bank.reconcile()

        ((_, _, score, reasons),) = proposals(bank)
        assert (score, reasons) == (80, ["same_amount", "similar_name", "in_its_time"])

    def test_another_run_proposes_the_same(self, bank, merchant, paid):
        for minor in (-19_850, -19_900, -20_100):
            bank.books(minor, end_to_end="ANOTHER", name="EXAMPLE SUPPLIES BV")
        bank.reconcile()
        first = proposals(bank)
        bank.reconcile()

        assert len(first) == 3 and proposals(bank) == first
