"""Files of payments: parallel runs, rebuilding, uploads by hand, files per kind."""

import hashlib
import json
import uuid
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock, db, tenancy
from apps.core.errors import NotFound
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import exports
from apps.payments import public as payments
from apps.payments.commands.batches import BatchDiffers, CloseBatch, NothingToSend
from apps.payments.models import Batch
from apps.payments.routing import route_for
from tests import factories
from tests.factories import SYSTEM, PayinEventFactory, PayoutFactory, do

DAY = date(2026, 5, 4)


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=50_000)


def payout(merchant, minor=2_500):
    command = PayoutFactory(
        organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(minor, "EUR")
    )
    return do(command, actor=merchant.client("payments.write"), key=uuid.uuid4().hex)


def state_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(parse_public_id("pay", answer["id"])).state


def batch_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        row = payments.payment(parse_public_id("pay", answer["id"]))
        return Batch.objects.get(message_id=row.batch_message_id)


def export(folder, **options):
    at = clock.database_now()
    return list(
        exports.export_batches(
            rail="sepa_ct", execution_date=DAY, folder=folder, actor=SYSTEM, at=at, **options
        )
    )


def close(kinds=()):
    """Close one batch over all that is approved, as a run that dies right afterwards."""
    with tenancy.scope(tenancy.PLATFORM):
        account = route_for("EUR")
    return do(CloseBatch(None, account.id, "sepa_ct", DAY, kinds))["message_id"]


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


class TestTwoRunsAtOnce:
    def test_both_end_well_and_each_payment_is_in_one_file(self, merchant, tmp_path, in_threads):
        made = [payout(merchant) for _ in range(6)]
        folders = [tmp_path / "one", tmp_path / "two"]

        told = in_threads(export, folders)

        assert not [one for one in told if isinstance(one, Exception)]
        assert {state_of(answer) for answer in made} == {"sent"}
        name = f"{batch_of(made[0]).message_id}.xml"
        assert sum((folder / name).exists() for folder in folders) == 1

    def test_one_that_finds_a_batch_being_sent_leaves_it(self, merchant, tmp_path, in_threads):
        answer = payout(merchant)
        message_id = close()
        with db.session_lock(f"payments sending {message_id}") as alone:
            (told,) = in_threads(export, [tmp_path])

        assert alone
        assert message_id not in [one["message_id"] for one in told]
        assert state_of(answer) == "batched"
        assert message_id in [one["message_id"] for one in export(tmp_path)]

    def test_a_batch_sent_meanwhile_is_not_put_in_place_again(self, merchant, tmp_path):
        payout(merchant)
        message_id = close()
        export(tmp_path)
        (tmp_path / f"{message_id}.xml").unlink()  # the bank took it away

        assert list(exports._send(message_id, folder=tmp_path, actor=SYSTEM, at=clock.database_now())) == []
        assert not (tmp_path / f"{message_id}.xml").exists()

    def test_numbers_are_one_row_without_gaps(self, merchant, in_threads):
        for _ in range(3):
            payout(merchant)

        told = in_threads(lambda _: close(), [1, 2, 3])

        closed = [one for one in told if isinstance(one, str)]
        assert closed and all(isinstance(one, (str, NothingToSend)) for one in told)
        with tenancy.scope(tenancy.PLATFORM):
            numbers = sorted(Batch.objects.filter(rail="sepa_ct").values_list("number", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
        export_all()


def export_all():
    """Leave nothing behind that another test's run would take up first."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder))


class TestRebuilding:
    def test_writes_the_very_same_bytes_and_says_their_digest(self, merchant, tmp_path):
        answer = payout(merchant)
        export(tmp_path)
        batch = batch_of(answer)
        path = tmp_path / f"{batch.message_id}.xml"
        first = path.read_bytes()
        path.unlink()

        told = json.loads(
            run("export_batch", "--rebuild", batch.message_id, "--folder", str(tmp_path), "--json")
        )

        assert path.read_bytes() == first
        assert told["batches"][0]["sha256"] == hashlib.sha256(first).hexdigest() == batch.sha256
        assert batch_of(answer).state == "sent"

    def test_refuses_bytes_that_would_differ(self, merchant, tmp_path, owner_sql):
        answer = payout(merchant)
        export(tmp_path)
        batch = batch_of(answer)
        (tmp_path / f"{batch.message_id}.xml").unlink()
        owner_sql(
            "UPDATE payments_batch SET execution_date = execution_date + 1 WHERE message_id = %s",
            [batch.message_id],
        )

        with pytest.raises(CommandError) as failed:
            run("export_batch", "--rebuild", batch.message_id, "--folder", str(tmp_path))

        assert failed.value.returncode == 1
        assert list(tmp_path.iterdir()) == []

    def test_of_a_batch_that_is_not_there_is_refused(self, db, tmp_path):
        with pytest.raises(CommandError):
            run("export_batch", "--rebuild", "NOWHERE", "--folder", str(tmp_path))


class TestUploadsByHand:
    def test_are_recorded_as_sent_once(self, merchant, tmp_path):
        answer = payout(merchant)
        message_id = close()
        file = tmp_path / "upload.xml"
        file.write_bytes(exports.batch_bytes(message_id))

        for _ in range(2):
            told = json.loads(run("mark_batch_sent", message_id, "--file", str(file), "--json"))
            assert told["state"] == "sent"

        assert state_of(answer) == "sent"
        assert merchant.balance().posted == 97_500

    def test_of_another_file_are_refused(self, merchant, tmp_path):
        answer = payout(merchant)
        message_id = close()
        file = tmp_path / "upload.xml"
        file.write_bytes(b"<Document/>")

        with pytest.raises(BatchDiffers):
            exports.mark_sent_by_hand(
                message_id, actor=SYSTEM, at=clock.database_now(), uploaded=file.read_bytes()
            )
        with pytest.raises(CommandError):
            run("mark_batch_sent", message_id, "--file", str(file), "--dry-run")
        assert state_of(answer) == "batched"
        export_all()

    def test_of_no_batch_are_refused(self, db):
        with pytest.raises(NotFound):
            exports.batch_bytes("NOWHERE")
        with pytest.raises(CommandError):
            run("mark_batch_sent", "NOWHERE")


class TestSegregation:
    def test_puts_each_kind_into_files_of_its_own(self, merchant, tmp_path):
        export_all()
        paid_in = do(
            PayinEventFactory(
                organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(5_000, "EUR")
            )
        )
        made = payout(merchant)
        refund = _refund_of(merchant, paid_in)

        export(tmp_path, segregate=True)

        assert batch_of(made).message_id != batch_of(refund).message_id


def _refund_of(merchant, paid_in):
    key = parse_public_id("pay", paid_in["object_id"])
    with tenancy.scope(tenancy.PLATFORM):
        row = payments.payment(key)
    do(payments.SettlePayment(merchant.id, key, row.amount, DAY, f"line-{uuid.uuid4().hex}"))
    return do(
        payments.CreateRefund(merchant.id, key, Money(1_000, "EUR")),
        actor=merchant.client("payments.write"),
        key=uuid.uuid4().hex,
    )


class TestTheCommand:
    def test_previews_without_writing(self, merchant, tmp_path):
        answer = payout(merchant)

        told = json.loads(
            run("export_batch", "--dry-run", "--json", "--cutoff", "standard", "--folder", str(tmp_path))
        )

        assert told["payments"] >= 1 and "execution_date" in told
        assert state_of(answer) == "approved"
        with pytest.raises(CommandError):
            run("export_batch", "--dry-run", "--cutoff", "midnight")
        export_all()
