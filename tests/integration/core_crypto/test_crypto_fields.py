"""Encrypted columns hold ciphertext, open only in their own row, and refuse every other way in."""

from __future__ import annotations

import pickle
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.core.exceptions import FieldError
from django.db import connection, models, transaction

from apps.core.crypto import normalise
from apps.core.crypto.erasure import destroy_subject_key
from apps.core.crypto.errors import BadContext, KeyDestroyed, Unreadable
from apps.core.crypto.fields import BlindIndexField, EncryptedTextField, matching
from apps.core.crypto.runtime import key_ring
from apps.core.errors import Invalid
from apps.core.migration_ops import isolate
from apps.core.tenancy import scope

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Patient(models.Model):
    """A person's row, of a table that these tests make for themselves."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.UUIDField()
    name = EncryptedTextField(purpose="contact", subject="id", max_length=140)
    email = EncryptedTextField(purpose="contact", subject="id", null=True)
    email_index = BlindIndexField(source="email", normalise=normalise.email)
    ward = models.CharField(max_length=20, default="")

    class Meta:
        app_label = "crypto_tests"
        db_table = "crypto_patient"


@pytest.fixture
def table(db, owner_sql):
    if owner_sql("SELECT to_regclass('crypto_patient')")[0][0] is None:
        owner_sql(
            "CREATE TABLE crypto_patient (id uuid PRIMARY KEY, organisation_id uuid NOT NULL,"
            " name bytea NOT NULL, email bytea, email_index bytea, ward varchar(20) NOT NULL)"
        )
        owner_sql(isolate("crypto_patient").sql)


@pytest.fixture
def bank(table):
    organisation_id = uuid.uuid4()
    with scope(organisation_id):
        yield organisation_id


@contextmanager
def refused(error, match=None):
    """Expect an error and undo what it left, so that the transaction can go on."""
    with pytest.raises(error, match=match) as caught, transaction.atomic():
        yield caught


def admit(bank, **values):
    values = {"name": "Ada Lovelace", "email": "ada@example.com", **values}
    patient = Patient(id=uuid.uuid4(), organisation_id=bank, **values)
    patient.save(force_insert=True)
    return patient


def stored(patient):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, email, email_index FROM crypto_patient WHERE id = %s", [patient.pk])
        return [None if value is None else bytes(value) for value in cursor.fetchone()]


class TestRoundTrip:
    def test_saved_text_comes_back(self, bank):
        patient = Patient.objects.get(pk=admit(bank).pk)
        assert patient.name.reveal() == "Ada Lovelace"
        assert patient.email.shown() == "ada@example.com"

    def test_column_holds_no_text(self, bank):
        for value in stored(admit(bank)):
            assert b"Ada" not in value
            assert b"ada" not in value

    def test_text_can_be_read_before_and_after_its_save(self, bank):
        patient = Patient(id=uuid.uuid4(), organisation_id=bank, name="Ada")
        assert patient.name.reveal() == "Ada"
        patient.save()
        assert patient.name.reveal() == "Ada"

    def test_null_stays_null_and_empty_stays_empty(self, bank):
        patient = Patient.objects.get(pk=admit(bank, name="", email=None).pk)
        assert patient.name.reveal() == ""
        assert patient.email is None
        assert patient.email_index is None

    @pytest.mark.parametrize("text", ["Zoë 東京 🏦", "x" * 140, " padded ", "\x80\x80", "line\nbreak"])
    def test_any_text_comes_back_exactly(self, bank, text):
        assert Patient.objects.get(pk=admit(bank, name=text).pk).name.reveal() == text

    def test_deferred_and_refreshed_values_open(self, bank):
        patient = Patient.objects.defer("name").get(pk=admit(bank).pk)
        assert patient.name.reveal() == "Ada Lovelace"
        patient.refresh_from_db()
        assert patient.name.reveal() == "Ada Lovelace"

    def test_bulk_create_seals_each_row(self, bank):
        patients = [
            Patient(id=uuid.uuid4(), organisation_id=bank, name=f"Patient {number}") for number in range(5)
        ]
        Patient.objects.bulk_create(patients)
        names = {patient.name.reveal() for patient in Patient.objects.all()}
        assert names == {f"Patient {number}" for number in range(5)}

    def test_update_or_create_seals(self, bank):
        patient = admit(bank)
        Patient.objects.update_or_create(pk=patient.pk, defaults={"name": "Ada King"})
        assert Patient.objects.get(pk=patient.pk).name.reveal() == "Ada King"

    def test_saving_what_was_read_keeps_its_ciphertext(self, bank):
        patient = Patient.objects.get(pk=admit(bank).pk)
        before = stored(patient)
        patient.ward = "blue"
        patient.save()
        assert stored(patient) == before

    def test_each_seal_is_another_ciphertext(self, bank):
        patient = admit(bank)
        before = stored(patient)
        patient.save()
        assert stored(patient)[0] != before[0]
        assert stored(patient)[2] == before[2]

    def test_rolled_back_row_can_be_saved_again(self, bank):
        patient = Patient(id=uuid.uuid4(), organisation_id=bank, name="Ada")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            patient.save()
            raise ZeroDivisionError
        patient.save()
        key_ring().forget_all()
        assert Patient.objects.get(pk=patient.pk).name.reveal() == "Ada"


class TestOtherWaysIn:
    def test_update_is_refused(self, bank):
        patient = admit(bank)
        before = stored(patient)
        with refused(FieldError, match="save"):
            Patient.objects.filter(pk=patient.pk).update(name="Eve")
        assert stored(patient) == before

    def test_update_to_null_is_allowed_for_erasers(self, bank):
        patient = admit(bank)
        Patient.objects.filter(pk=patient.pk).update(email=None, email_index=None)
        assert stored(patient)[1:] == [None, None]

    def test_bulk_update_is_refused(self, bank):
        patient = admit(bank)
        patient.name = "Eve"
        with refused(FieldError):
            Patient.objects.bulk_update([patient], ["name"])
        loaded = Patient.objects.get(pk=patient.pk)
        with refused(FieldError):
            Patient.objects.bulk_update([loaded], ["name"])
        assert loaded.name.reveal() == "Ada Lovelace"

    @pytest.mark.parametrize(
        "lookup",
        ["name", "name__exact", "name__iexact", "name__contains", "name__in", "name__gt", "name__regex"],
    )
    def test_search_is_refused(self, bank, lookup):
        with refused(FieldError, match="blind index"):
            list(Patient.objects.filter(**{lookup: ["Ada"] if lookup.endswith("in") else "Ada"}))

    def test_search_for_missing_values_works(self, bank):
        admit(bank, email=None)
        assert Patient.objects.filter(email__isnull=True).count() == 1

    def test_index_takes_no_text(self, bank):
        with refused(FieldError):
            list(Patient.objects.filter(email_index="ada@example.com"))
        with refused(FieldError):
            list(Patient.objects.filter(email_index__contains=b"a"))

    def test_index_cannot_be_left_behind(self, bank):
        patient = admit(bank)
        patient.email = "countess@example.com"
        with refused(FieldError, match="together"):
            patient.save(update_fields=["email"])
        patient.save(update_fields=["email", "email_index"])
        assert Patient.objects.get(
            matching(Patient, "email_index", "countess@example.com", organisation_id=bank)
        )

    @pytest.mark.parametrize("text", ["x" * 141, "nul\0", "\ud800"])
    def test_text_that_cannot_be_stored_is_refused_by_name(self, bank, text):
        with pytest.raises(Invalid) as caught:
            Patient(id=uuid.uuid4(), organisation_id=bank, name=text)
        assert caught.value.facts["field"] == "name"

    @pytest.mark.parametrize("value", [7, b"bytes", ["Ada"]])
    def test_values_that_are_no_text_are_refused(self, bank, value):
        with pytest.raises(TypeError):
            Patient(id=uuid.uuid4(), organisation_id=bank, name=value)

    def test_row_without_identity_is_refused(self, bank):
        with refused(BadContext):
            Patient(organisation_id=bank, name="Ada").save()

    def test_value_without_its_row_does_not_open(self, bank):
        admit(bank)
        value = Patient.objects.values_list("name", flat=True).get()
        with refused(BadContext):
            value.reveal()


class TestSwaps:
    def swap(self, statement, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)

    def test_value_of_another_row_does_not_open(self, bank):
        ada, bob = admit(bank), admit(bank, name="Bob")
        self.swap("UPDATE crypto_patient SET name = %s WHERE id = %s", stored(ada)[0], bob.pk)
        with pytest.raises(Unreadable):
            Patient.objects.get(pk=bob.pk).name.reveal()

    def test_value_of_another_column_does_not_open(self, bank):
        ada = admit(bank)
        self.swap("UPDATE crypto_patient SET name = email WHERE id = %s", ada.pk)
        with pytest.raises(Unreadable):
            Patient.objects.get(pk=ada.pk).name.reveal()

    def test_row_moved_to_another_organisation_does_not_open(self, bank, owner_sql, table):
        with scope(bank):
            ada = admit(bank)
        shop = uuid.uuid4()
        self.swap("SELECT set_config('bezant.organisation', '*', true)")
        self.swap("UPDATE crypto_patient SET organisation_id = %s WHERE id = %s", shop, ada.pk)
        with pytest.raises(Unreadable):
            Patient.objects.get(pk=ada.pk).name.reveal()

    def test_every_altered_byte_is_refused(self, bank):
        ada = admit(bank)
        sealed = stored(ada)[0]
        for position in range(len(sealed)):
            altered = bytearray(sealed)
            altered[position] ^= 0x40
            self.swap("UPDATE crypto_patient SET name = %s WHERE id = %s", bytes(altered), ada.pk)
            with pytest.raises(Unreadable):
                Patient.objects.get(pk=ada.pk).name.reveal()

    def test_copied_instance_is_refused_instead_of_written_unreadable(self, bank):
        copy = Patient.objects.get(pk=admit(bank, email=None).pk)
        copy.pk = uuid.uuid4()
        with refused(FieldError, match="another row"):
            copy.save()

    def test_sealed_value_assigned_to_another_row_is_refused(self, bank):
        ada, bob = Patient.objects.get(pk=admit(bank).pk), admit(bank, name="Bob")
        bob.name = ada.name
        with refused(FieldError, match="another row"):
            bob.save()


class TestShowing:
    def test_neither_saved_nor_unsaved_text_is_printed(self, bank):
        fresh = Patient(id=uuid.uuid4(), organisation_id=bank, name="Ada Lovelace")
        loaded = Patient.objects.get(pk=admit(bank).pk)
        for patient in (fresh, loaded):
            shown = f"{patient.name} {patient.name!r} {patient.__dict__} {[patient.name]}"
            assert "Ada" not in shown
            assert "<sealed crypto_tests.Patient.name>" in shown

    def test_pickle_holds_ciphertext_and_opens_later(self, bank):
        for patient in (admit(bank), Patient.objects.get(pk=admit(bank).pk)):
            pickled = pickle.dumps([patient.__dict__, patient.name])
            assert b"Ada" not in pickled
            assert pickle.loads(pickled)[1].reveal() == "Ada Lovelace"

    def test_text_that_was_never_saved_is_not_pickled(self, bank):
        patient = Patient(id=uuid.uuid4(), organisation_id=bank, name="Ada")
        for value in (patient.name, patient.__dict__):
            with pytest.raises(TypeError, match="never pickled in clear"):
                pickle.dumps(value)

    def test_form_validation_passes_it_by(self, bank):
        patient = Patient(id=uuid.uuid4(), organisation_id=bank, name="Ada", email="a@b.example", ward="blue")
        patient.full_clean()
        assert patient.name.reveal() == "Ada"


class TestBlindIndex:
    def find(self, bank, value):
        return list(Patient.objects.filter(matching(Patient, "email_index", value, organisation_id=bank)))

    def test_value_is_found_in_any_spelling(self, bank):
        ada = admit(bank)
        assert self.find(bank, " ADA@Example.COM ") == [ada]
        assert self.find(bank, "ada@example.co") == []
        assert self.find(bank, "  ") == []

    def test_change_of_the_value_moves_the_index(self, bank):
        ada = Patient.objects.get(pk=admit(bank).pk)
        ada.email = "countess@example.com"
        ada.save()
        assert self.find(bank, "ada@example.com") == []
        assert self.find(bank, "countess@example.com") == [ada]

    def test_other_organisations_have_other_indexes(self, table):
        indexes = []
        for organisation_id in (uuid.uuid4(), uuid.uuid4()):
            with scope(organisation_id):
                indexes.append(stored(admit(organisation_id))[2])
        assert indexes[0] != indexes[1]
        assert {len(index) for index in indexes} == {32}


class TestErasure:
    def test_erased_person_cannot_be_read_found_or_written(self, bank):
        ada, bob = admit(bank), admit(bank, name="Bob", email="bob@example.com")
        Patient.objects.filter(pk=ada.pk).update(email_index=None)
        assert destroy_subject_key(organisation_id=bank, subject_id=ada.pk, at=AT)
        key_ring().forget_all()

        gone = Patient.objects.get(pk=ada.pk)
        with refused(KeyDestroyed):
            gone.name.reveal()
        assert gone.name.shown() == "erased"
        assert not Patient.objects.filter(
            matching(Patient, "email_index", "ada@example.com", organisation_id=bank)
        )
        gone.name = "Ada again"
        with refused(KeyDestroyed):
            gone.save()
        assert Patient.objects.get(pk=bob.pk).name.reveal() == "Bob"

    def test_saving_an_erased_row_drops_its_index(self, bank):
        ada = admit(bank)
        destroy_subject_key(organisation_id=bank, subject_id=ada.pk, at=AT)
        key_ring().forget_all()
        gone = Patient.objects.get(pk=ada.pk)
        gone.ward = "closed"
        gone.save()
        assert stored(gone)[2] is None


def test_models_without_identity_are_found_by_the_system_check():
    class Numbered(models.Model):
        note = EncryptedTextField(purpose="note", subject="person_id")
        ward = models.CharField(max_length=20)
        ward_index = BlindIndexField(source="ward", normalise=normalise.name)

        class Meta:
            app_label = "crypto_tests"

    found = {problem.id for field in Numbered._meta.get_fields() for problem in field.check()}
    assert {"core.E101", "core.E102", "core.E103", "core.E104"} <= found
    assert not [
        p for field in Patient._meta.get_fields() for p in field.check() if p.id.startswith("core.E1")
    ]


def test_field_is_made_again_from_what_migrations_keep():
    for name in ("name", "email", "email_index"):
        field = Patient._meta.get_field(name)
        _, _, arguments, options = field.deconstruct()
        assert type(field)(*arguments, **options).deconstruct()[3] == options
