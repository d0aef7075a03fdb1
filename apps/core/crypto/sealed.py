"""A personal value as the program holds it: sealed, and opened only where somebody asks for it by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.core.crypto.context import Context
from apps.core.crypto.errors import BadContext, KeyDestroyed
from apps.core.crypto.padding import padded, unpadded
from apps.core.crypto.runtime import key_ring

ERASED = "erased"
"""What a page shows in the place of a value whose subject has been erased."""


class Sealed:
    """A value of an encrypted column. It prints as a label, pickles as ciphertext, and hides in logs."""

    __slots__ = ("context", "data", "label")

    def __init__(self, data: bytes, label: str, context: Context | None = None) -> None:
        self.data = data
        self.label = label
        self.context = context

    def reveal(self) -> str:
        """Open the value.

        Raises KeyDestroyed if its subject was erased, Unreadable if it does not open, and BadContext
        for a value read without its row (by `values()`), whose place is not known.
        """
        if self.context is None:
            raise BadContext(f"{self.label} was read without its row")
        return unpadded(key_ring().open(self.data, context=self.context))

    def shown(self) -> str:
        """Open the value for a page: the word `erased` stands for what is gone."""
        try:
            return self.reveal()
        except KeyDestroyed:
            return ERASED

    def bound(self, context: Context) -> Sealed:
        """Give this value with the place it was read from."""
        return Sealed(self.data, self.label, context)

    def __repr__(self) -> str:
        return f"<sealed {self.label}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and type(self) is type(other) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __reduce__(self) -> tuple[Callable[..., Sealed], tuple[Any, ...]]:
        return Sealed, (self.data, self.label, self.context)


class Unsealed(Sealed):
    """A value just assigned: in clear in memory, sealed at each save of its row.

    It stays so after a save, since a save can be rolled back, and with it the key it was sealed under.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str, label: str) -> None:
        super().__init__(b"", label)
        self._text = text

    def reveal(self) -> str:
        """Give the value."""
        return self._text

    def bound(self, context: Context) -> Sealed:
        """Give this value itself: it has no place before it is saved."""
        return self

    def seal(self, context: Context, subject_id: Any) -> bytes:
        """Seal the value for its place under its subject's key."""
        data = key_ring().seal(padded(self._text), context=context, subject_id=subject_id)
        self.data, self.context = data, context
        return data

    def __reduce__(self) -> tuple[Callable[..., Sealed], tuple[Any, ...]]:
        if not self.data:
            raise TypeError(f"{self.label} is not saved yet, and is never pickled in clear")
        return super().__reduce__()
