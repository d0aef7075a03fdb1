"""The key ring: one data key for each subject, so that erasing a person is destroying a key.

Values are sealed under the data key of the person they are about. Data keys are stored only wrapped
by a provider's key encryption key; the ring unwraps them when needed and forgets them soon.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from apps.core.crypto.cache import KeyCache
from apps.core.crypto.context import Context, canonical
from apps.core.crypto.envelope import KEY_ID_SIZE, DataKey, key_id_of
from apps.core.crypto.errors import KeyDestroyed, Unreadable
from apps.core.crypto.primitives import KEY_SIZE, hmac_sha256, same
from apps.core.crypto.providers import Provider, Wrapped

CACHED_KEY_COUNT_MAX = 1_000
CACHED_KEY_AGE_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A subject's data key as it is stored. `wrapped` None: destroyed, nothing will bring it back.

    The check value commits to the key, so that another key put in its place is found out.
    """

    key_id: bytes
    organisation_id: UUID
    subject_id: UUID
    wrapped: Wrapped | None
    check_value: bytes = field(repr=False)


class KeyStore(Protocol):
    """Where wrapped data keys are kept."""

    def of_subject(self, *, organisation_id: UUID, subject_id: UUID) -> StoredKey | None:
        """Find a subject's key, never from a cache: it must be of the caller's own transaction."""
        ...

    def by_id(self, key_id: bytes) -> StoredKey | None:
        """Find a key by its id."""
        ...

    def add(self, key: StoredKey) -> StoredKey:
        """Store a new key and return it, or the one the subject got from somebody else meanwhile."""
        ...

    def of_subjects(self, subjects: Collection[Subject], *, to_seal: bool) -> list[StoredKey]:
        """Find the keys of many subjects with one statement; those to seal with as `of_subject` does."""
        ...

    def add_all(self, keys: Collection[StoredKey]) -> None:
        """Store new keys, but for subjects that have one by now."""
        ...


Subject = tuple[UUID, UUID]
"""An organisation and a person of it."""


@dataclass(frozen=True, slots=True)
class _Ready:
    organisation_id: UUID
    data_key: DataKey


class _AtHand:
    """The keys of many subjects, fetched for one block of one transaction."""

    def __init__(self, keys: Collection[StoredKey]) -> None:
        self.by_subject = {(key.organisation_id, key.subject_id): key for key in keys}
        self.by_id = {key.key_id: key for key in keys}
        self.ready: dict[bytes, _Ready] = {}


_AT_HAND: ContextVar[_AtHand | None] = ContextVar("keys_at_hand", default=None)


class KeyRing:
    """Seal, open and index personal data. One per process; safe to use from several threads."""

    def __init__(
        self,
        *,
        provider: Provider,
        store: KeyStore,
        environment: str,
        age_s_max: float = CACHED_KEY_AGE_S_MAX,
        count_max: int = CACHED_KEY_COUNT_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.environment = environment
        self._store = store
        self._ready: KeyCache[bytes, _Ready] = KeyCache(count_max=count_max, age_s_max=age_s_max, clock=clock)
        self._index_keys: KeyCache[bytes, bytes] = KeyCache(
            count_max=count_max, age_s_max=age_s_max, clock=clock
        )

    def seal(self, plaintext: bytes, *, context: Context, subject_id: UUID) -> bytes:
        """Seal a value under its subject's key, which is made at first use.

        Raises KeyDestroyed for an erased subject, BadContext for a place without identity.
        """
        context.to_bytes()  # refuses before a key is made
        return self.sealer(organisation_id=context.organisation_id, subject_id=subject_id)(plaintext, context)

    def sealer(self, *, organisation_id: UUID, subject_id: UUID) -> Callable[[bytes, Context], bytes]:
        """Return what seals any number of values of one subject, whose key is made at first use.

        The key is looked up once, and the store keeps it from being destroyed until the transaction ends:
        the sealer is for that transaction alone. Raises KeyDestroyed for an erased subject.
        """
        hand = _AT_HAND.get()
        stored = hand.by_subject.get((organisation_id, subject_id)) if hand is not None else None
        if stored is None:
            stored = self._store.of_subject(organisation_id=organisation_id, subject_id=subject_id)
        if stored is None:
            stored = self._store.add(self._new_key(organisation_id, subject_id))
        data_key = self._usable(stored).data_key

        def seal(plaintext: bytes, context: Context) -> bytes:
            if context.organisation_id != organisation_id:
                raise Unreadable("the sealer is another organisation's")
            return data_key.seal(plaintext, associated=context.to_bytes())

        return seal

    @contextmanager
    def at_hand(self, subjects: Collection[Subject], *, to_seal: bool = False) -> Iterator[None]:
        """Fetch the keys of many subjects at once for what is sealed or opened in the block.

        `to_seal` makes the keys that are missing, and keeps all of them from being destroyed until the
        open transaction ends; it needs one. Without it, nothing but reading is faster.
        """
        wanted = set(subjects)
        keys = self._store.of_subjects(wanted, to_seal=to_seal)
        missing = wanted - {(key.organisation_id, key.subject_id) for key in keys}
        if to_seal and missing:
            self._store.add_all([self._new_key(organisation, subject) for organisation, subject in missing])
            keys += self._store.of_subjects(missing, to_seal=True)
        before = _AT_HAND.set(_AtHand(keys))
        try:
            yield
        finally:
            _AT_HAND.reset(before)

    def open(self, sealed: bytes, *, context: Context) -> bytes:
        """Open a value. Raises KeyDestroyed if its subject was erased, Unreadable if it does not open."""
        key_id = key_id_of(sealed)
        hand = _AT_HAND.get()
        if hand is not None and key_id in hand.by_id:
            ready = self._usable(hand.by_id[key_id])
        else:
            ready = self._ready.get(key_id, lambda: self._unwrapped(self._known(key_id)))
        # A key in the cache may have been loaded for another organisation's request.
        if ready.organisation_id != context.organisation_id:
            raise Unreadable("the key of the sealed value is not known here")
        return ready.data_key.open(sealed, associated=context.to_bytes())

    def index(self, value: str, *, organisation_id: UUID, table: str, column: str) -> bytes:
        """Give the blind index of a normalised value: equal values in one column of one organisation only."""
        place = canonical("bezant.index.v1", self.environment, organisation_id, table, column)
        key = self._index_keys.get(place, lambda: self.provider.mac(place))
        return hmac_sha256(key, value.encode())

    def rewrap(self, stored: StoredKey) -> StoredKey:
        """Wrap a stored key under the newest KEK version; what it sealed stays as it is.

        Raises KeyDestroyed for a destroyed key, Unreadable for one that was tampered with.
        """
        key, context = self._unwrap(stored), self._key_context(stored)
        return replace(stored, wrapped=self.provider.wrap(key, context=context))

    def forget(self, key_id: bytes) -> None:
        """Drop a key from this process's memory, as after its destruction."""
        self._ready.forget(key_id)

    def forget_all(self) -> None:
        """Drop every key from this process's memory."""
        self._ready.clear()
        self._index_keys.clear()

    def _new_key(self, organisation_id: UUID, subject_id: UUID) -> StoredKey:
        key, key_id = os.urandom(KEY_SIZE), os.urandom(KEY_ID_SIZE)
        draft = StoredKey(key_id, organisation_id, subject_id, None, _check_value(key, key_id))
        return replace(draft, wrapped=self.provider.wrap(key, context=self._key_context(draft)))

    def _known(self, key_id: bytes) -> StoredKey:
        stored = self._store.by_id(key_id)
        if stored is None:
            raise Unreadable("the key of the sealed value is not known here")
        return stored

    def _usable(self, stored: StoredKey) -> _Ready:
        # The stored row decides, not the cache: a destroyed key must not seal anything any more.
        if stored.wrapped is None:
            raise KeyDestroyed
        hand = _AT_HAND.get()
        if hand is None or stored.key_id not in hand.by_id:
            return self._ready.get(stored.key_id, lambda: self._unwrapped(stored))
        if stored.key_id not in hand.ready:
            hand.ready[stored.key_id] = self._unwrapped(stored)
        return hand.ready[stored.key_id]

    def _unwrapped(self, stored: StoredKey) -> _Ready:
        return _Ready(stored.organisation_id, DataKey(stored.key_id, self._unwrap(stored)))

    def _unwrap(self, stored: StoredKey) -> bytes:
        if stored.wrapped is None:
            raise KeyDestroyed
        key = self.provider.unwrap(stored.wrapped, context=self._key_context(stored))
        if not same(stored.check_value, _check_value(key, stored.key_id)):
            raise Unreadable("the data key is not the one that was stored")
        return key

    def _key_context(self, stored: StoredKey) -> bytes:
        return canonical(
            "bezant.key.v1",
            self.environment,
            stored.organisation_id,
            stored.subject_id,
            stored.key_id,
        )


def _check_value(key: bytes, key_id: bytes) -> bytes:
    return hmac_sha256(key, canonical("bezant.check.v1", key_id))
