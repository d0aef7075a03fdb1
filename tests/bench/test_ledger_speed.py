"""The ledger's benchmark runs and says what was asked. How fast is fast enough depends on a quiet machine."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

CASES = {
    "sql_single", "sql_batch_100", "django_single", "django_atomic", "post_many_100", "post_many_100_hot", "callers_64",
    "callers_64_hot", "with_followers",
}  # fmt: skip


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_every_case_has_a_ratio_to_tpcb_and_batches_beat_it() -> None:
    out = StringIO()
    call_command("bench_ledger", json=True, rounds=3, seconds=1.0, reads="10000", stdout=out)
    told = json.loads(out.getvalue())

    assert set(told["ratios"]) == CASES
    assert told["ratios"]["sql_batch_100"] >= 4
    assert told["ratios"]["post_many_100"] >= 3
    assert told["ratios"]["with_followers"] >= 0.5
    assert told["latency_ms"]["balance_10000"]["p50"] <= 5
