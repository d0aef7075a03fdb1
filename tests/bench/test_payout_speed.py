"""Payouts from one bulk order to the bank's file, at the speed that is asked for on a quiet machine."""

import json
from io import StringIO

import pytest
from django.core.management import call_command


@pytest.mark.bench
@pytest.mark.timeout(300)
def test_a_thousand_payouts_leave_at_five_hundred_a_second() -> None:
    out = StringIO()
    call_command("bench_payouts", json=True, stdout=out)
    told = json.loads(out.getvalue())

    assert told["payouts_per_s"] >= told["limit_per_s"] == 500
    assert (told["lives_wrong"], told["held_minor"], told["clearing_is_right"]) == (0, 0, True)
