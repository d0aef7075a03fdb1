"""Commands of direct debits are data: what is written down is read back equal."""

from datetime import date
from uuid import UUID

import pytest

from apps.core.codec import to_data
from apps.core.commands import command_from_data, spec_of
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands.recalls import RecallAnswerLine

KEY = UUID(int=1)
DEBTOR = payments.MandateDebtor("Ada Example", "DE02120300000000202051")


@pytest.mark.parametrize(
    "command",
    [
        payments.SetCollectionPolicy(KEY, "DE98ZZZ09999999999", "Gym", 56, 5, None),
        payments.CreateMandate(KEY, DEBTOR, date(2026, 5, 4)),
        payments.CreateMandate(KEY, DEBTOR),
        payments.SignMandate(KEY, KEY, date(2026, 5, 4)),
        payments.AmendMandate(KEY, KEY, debtor=DEBTOR),
        payments.AmendMandate(KEY, KEY, reference="X"),
        payments.SuspendMandate(KEY, KEY, "why"),
        payments.ResumeMandate(KEY, KEY),
        payments.CancelMandate(KEY, KEY),
        payments.ExpireMandate(KEY, KEY),
        payments.CreateCollection(KEY, KEY, KEY, Money(1, "EUR"), date(2026, 5, 4), "FNAL"),
        payments.CreateCollection(KEY, KEY, KEY, Money(1, "EUR")),
        payments.CancelCollection(KEY, KEY),
        payments.PrenotifyCollection(KEY, KEY),
        payments.FinaliseCollection(KEY, KEY),
        payments.ApplyReturns(
            None, "00", "f", "pacs.004", "m", (payments.ReturnLine("E", Money(1, "EUR"), "AM04", None, "p"),)
        ),
        payments.RecallPayment(KEY, KEY, "FRAD"),
        payments.MarkRecallSent(None, KEY),
        payments.ApplyRecallAnswers(None, "00", "f", "camt.029", "m", (RecallAnswerLine("c", "r", "RJCR"),)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_reads_back_what_was_written(command):
    spec = spec_of(command)

    assert command_from_data(spec.name, spec.version, to_data(command)) == command
