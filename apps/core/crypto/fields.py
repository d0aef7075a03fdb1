"""Model fields for personal data: text sealed under its subject's key, and an index to search it by.

How they are used:

    class Party(TenantModel):
        email = EncryptedTextField(purpose="contact", subject="id", null=True)
        email_index = BlindIndexField(source="email", normalise=normalise.email)

    party.email = "ada@example.com"; party.save()
    party.email                    # <sealed accounts.Party.email>
    party.email.reveal()           # 'ada@example.com', or KeyDestroyed once she has been erased
    party.email.shown()            # 'ada@example.com', or 'erased'
    Party.objects.filter(matching(Party, "email_index", "Ada@Example.com", organisation_id=bank))
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from apps.core.crypto.context import Context
from apps.core.crypto.errors import KeyDestroyed
from apps.core.crypto.runtime import key_ring
from apps.core.crypto.sealed import Sealed, Unsealed
from apps.core.errors import Invalid

TEXT_SIZE_MAX = 4_000
"""The most characters of one value unless its field says otherwise (65,535 bytes at the very most)."""


class _ForColumn:
    """Bytes that a save has prepared: the only thing the columns of this module take."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _BytesField(models.Field):  # type: ignore[type-arg]
    """A bytea column that takes only what its own `pre_save` made, and is compared only by itself."""

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's type for bytes."""
        return "bytea"

    def get_prep_value(self, value: Any) -> Any:
        """Pass prepared bytes and null. Raises FieldError for a value in clear: update() comes this way."""
        if value is None or isinstance(value, _ForColumn):
            return value
        raise FieldError(f"{self} takes no value here: assign it to an instance and save that")

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Hand prepared bytes to the driver."""
        ready = value if prepared else self.get_prep_value(value)
        return ready.data if isinstance(ready, _ForColumn) else ready

    def formfield(self, *args: Any, **options: Any) -> None:  # type: ignore[override]
        """Give no form field: forms name what they show and take."""

    def check(self, **options: Any) -> list[checks.CheckMessage]:
        """Refuse a model whose rows have no identity before they are inserted."""
        return [*super().check(**options), *_identity_problems(self)]


class _SealedAttribute(DeferredAttribute):
    """The field on an instance: takes text, gives a Sealed that knows its row."""

    field: EncryptedTextField

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        value = super().__get__(instance, cls)
        return value.bound(self.field.context_of(instance)) if isinstance(value, Sealed) else value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.to_python(value)


class EncryptedTextField(_BytesField):
    """Text sealed for its row, its column and its `purpose`, under the key of the person it is about.

    `subject` names the attribute that holds the person's UUID. The model has a UUID primary key made
    before the insert and an `organisation_id`. Only instances can be saved: update(), bulk_update()
    and every lookup but `isnull` raise FieldError.
    """

    description = "Text under its subject's key"
    descriptor_class = _SealedAttribute
    _pyi_private_set_type: str | Sealed | None
    _pyi_private_get_type: Sealed

    def __init__(self, *, purpose: str, subject: str, **options: Any) -> None:
        self.purpose = purpose
        self.subject = subject
        options.setdefault("max_length", TEXT_SIZE_MAX)
        super().__init__(**options)

    def deconstruct(self) -> Any:
        """Tell migrations how the field was made."""
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "purpose": self.purpose, "subject": self.subject}

    def context_of(self, instance: models.Model) -> Context:
        """Say which place a value of this instance is sealed for."""
        return Context(
            environment=settings.ENVIRONMENT,
            organisation_id=cast(Any, instance).organisation_id,
            purpose=self.purpose,
            table=self.model._meta.db_table,
            column=str(self.column),
            row_id=cast(UUID, instance.pk),
        )

    def to_python(self, value: Any) -> Sealed | None:
        """Take text, null or an already sealed value. Raises Invalid for text that cannot be stored."""
        if value is None or isinstance(value, Sealed):
            return value
        if not isinstance(value, str):
            raise TypeError(f"{self} takes text")
        if len(value) > (self.max_length or TEXT_SIZE_MAX) or "\0" in value or not _is_unicode(value):
            raise Invalid(field=self.name, characters_max=self.max_length)
        return Unsealed(value, str(self))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        """Hold what was read as it is; nothing is opened yet."""
        return None if value is None else Sealed(bytes(value), str(self))

    def pre_save(self, model_instance: models.Model, add: bool) -> _ForColumn | None:
        """Seal what was assigned. Raises FieldError for a sealed value of another row, KeyDestroyed."""
        value = model_instance.__dict__.get(self.attname)
        if value is None:
            return None
        context = self.context_of(model_instance)
        if isinstance(value, Unsealed):
            return _ForColumn(value.seal(context, getattr(model_instance, self.subject)))
        if value.context != context and (add or value.context is not None):
            raise FieldError(f"{self} holds the sealed value of another row: reveal it and assign the text")
        return _ForColumn(value.data)

    def get_lookup(self, lookup_name: str) -> Any:
        """Allow `isnull` alone: equal texts have unequal ciphertexts, so a search would find nothing."""
        if lookup_name != "isnull":
            raise FieldError(f"{self} is sealed and cannot be searched: use its blind index")
        return super().get_lookup(lookup_name)

    def value_to_string(self, obj: models.Model) -> str:
        """Write the ciphertext, for `dumpdata`."""
        value = obj.__dict__.get(self.attname)
        return value.data.hex() if isinstance(value, Sealed) else ""


class BlindIndexField(_BytesField):
    """HMAC-SHA256 of the normalised text of another field, under a key of the organisation.

    It tells equal from unequal within one column of one organisation and nothing else. It is computed
    at each save of the row, is null with its source, and vanishes when the subject has been erased.
    """

    description = "Blind index of an encrypted field"

    def __init__(self, *, source: str, normalise: Callable[[str], str], **options: Any) -> None:
        self.source = source
        self.normalise = normalise
        super().__init__(**{"null": True, "editable": False, **options})

    def deconstruct(self) -> Any:
        """Tell migrations how the field was made."""
        name, path, arguments, options = super().deconstruct()
        own = {
            "source": self.source,
            "normalise": self.normalise,
            "null": self.null,
            "editable": self.editable,
        }
        return name, path, arguments, {**options, **own}

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        """Also watch for saves of the source alone, which would leave the index behind."""
        super().contribute_to_class(cls, name, private_only)
        if not cls._meta.abstract:
            models.signals.pre_save.connect(self._refuse_half_save, sender=cls, weak=False)

    def index_of(self, value: str, *, organisation_id: UUID) -> bytes | None:
        """Compute the index of a value; None if nothing is left of it in its normal form."""
        normal = self.normalise(value)
        if not normal:
            return None
        return key_ring().index(
            normal, organisation_id=organisation_id, table=self.model._meta.db_table, column=self.source
        )

    def pre_save(self, model_instance: models.Model, add: bool) -> _ForColumn | None:
        """Compute the index of what the source holds."""
        index = self._index_for(model_instance)
        setattr(model_instance, self.attname, index)
        return None if index is None else _ForColumn(index)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> bytes | None:
        """Read plain bytes."""
        return None if value is None else bytes(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Allow `exact` and `in` (by way of `matching`) and `isnull`."""
        if lookup_name not in ("exact", "in", "isnull"):
            raise FieldError(f"{self} finds whole values only")
        return super().get_lookup(lookup_name)

    def _index_for(self, instance: models.Model) -> bytes | None:
        value = getattr(instance, self.source)
        try:
            text = value.reveal() if isinstance(value, Sealed) else value
        except KeyDestroyed:
            return None
        if text is None:
            return None
        return self.index_of(text, organisation_id=cast(Any, instance).organisation_id)

    def _refuse_half_save(self, *, update_fields: frozenset[str] | None, **_: Any) -> None:
        if update_fields and self.source in update_fields and self.name not in update_fields:
            raise FieldError(f"save {self.source} together with {self.name}")


def matching(model: type[models.Model], index: str, value: str, *, organisation_id: UUID) -> models.Q:
    """Say which rows of an organisation hold a value, by its blind index field."""
    field = model._meta.get_field(index)
    if not isinstance(field, BlindIndexField):
        raise FieldError(f"{field} is no blind index")
    found = field.index_of(value, organisation_id=organisation_id)
    if found is None:
        return models.Q(pk__in=[])
    return models.Q(organisation_id=organisation_id, **{index: _ForColumn(found)})


def matching_any(
    model: type[models.Model], index: str, values: Collection[str], *, organisation_id: UUID
) -> models.Q:
    """Say which rows of an organisation hold one of the values, by its blind index field."""
    field = model._meta.get_field(index)
    if not isinstance(field, BlindIndexField):
        raise FieldError(f"{field} is no blind index")
    found = (field.index_of(value, organisation_id=organisation_id) for value in values)
    return models.Q(
        organisation_id=organisation_id, **{f"{index}__in": [_ForColumn(one) for one in found if one]}
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _identity_problems(field: models.Field) -> list[checks.CheckMessage]:  # type: ignore[type-arg]
    model = field.model
    names = {part.name for part in model._meta.get_fields()}
    problems = []
    if not isinstance(model._meta.pk, models.UUIDField):
        problems.append(("core.E101", "needs a UUID primary key, known before the insert"))
    if "organisation_id" not in names:
        problems.append(("core.E102", "needs organisation_id on its model"))
    if isinstance(field, EncryptedTextField) and field.subject not in names:
        problems.append(("core.E103", f"names the subject {field.subject}, which its model has not"))
    if isinstance(field, BlindIndexField) and not isinstance(
        model._meta.get_field(field.source), EncryptedTextField
    ):
        problems.append(("core.E104", f"indexes {field.source}, which is no encrypted field"))
    return [checks.Error(f"{field} {text}.", obj=field, id=number) for number, text in problems]
