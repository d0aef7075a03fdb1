"""Matching against made-up worlds: nothing false, nothing missed, reasons right, whatever the order."""

import pytest

from apps.reconciliation.bench.measure import measure


@pytest.mark.parametrize("seed", [1, 2, 3])
class TestMatching:
    def test_finds_the_truth(self, db, seed):
        result = measure(lines=1_500, seed=seed, noise=0.05)

        assert result["false_matches"] == 0
        assert result["wrong_reasons"] == 0
        assert result["recall"] >= 0.995
        assert result["planted_breaks"] >= 50

    def test_gives_the_same_in_any_order(self, db, seed):
        results = {
            measure(lines=400, seed=seed, noise=0.1, order=order)["result_sha256"] for order in range(4)
        }

        assert len(results) == 1


def test_a_world_of_breaks_alone_has_no_match(db):
    result = measure(lines=300, seed=7, noise=1.0)

    assert result["matched"] == {} and result["false_matches"] == 0 and result["wrong_reasons"] == 0


def test_nothing_is_left_behind(db, owner_sql):
    measure(lines=50, seed=9, noise=0.03)

    assert owner_sql("SELECT count(*) FROM reconciliation_bankaccount WHERE number = 'BENCHACCOUNT'") == [
        (0,)
    ]
