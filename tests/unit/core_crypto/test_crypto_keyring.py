"""One data key for each subject; a destroyed key stays destroyed; keys are checked, cached, forgotten."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from apps.core.crypto.cache import KeyCache
from apps.core.crypto.context import Context
from apps.core.crypto.envelope import key_id_of
from apps.core.crypto.errors import KeyDestroyed, KeysUnavailable, Unreadable
from apps.core.crypto.keyring import KeyRing
from apps.core.crypto.local_file import LocalFileProvider
from apps.core.crypto.providers import Wrapped

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BANK, SHOP = UUID(int=10), UUID(int=11)
ADA, BOB = UUID(int=20), UUID(int=21)
PLACE = Context("test", BANK, "contact", "accounts_party", "email", UUID(int=30))


class MemoryStore:
    """Stored keys in a dictionary, as a table with its unique constraint would hold them."""

    def __init__(self):
        self.keys = {}
        self.reads = 0
        self._lock = threading.Lock()

    def of_subject(self, *, organisation_id, subject_id):
        return self.keys.get((organisation_id, subject_id))

    def by_id(self, key_id):
        self.reads += 1
        return next((key for key in self.keys.values() if key.key_id == key_id), None)

    def add(self, key):
        with self._lock:
            return self.keys.setdefault((key.organisation_id, key.subject_id), key)

    def change(self, subject_id, **changes):
        place = (BANK, subject_id)
        self.keys[place] = replace(self.keys[place], **changes)


class CountingProvider(LocalFileProvider):
    down = False
    unwraps = 0

    def unwrap(self, wrapped, *, context):
        if self.down:
            raise KeysUnavailable("the keeper is down")
        type(self).unwraps += 1
        return super().unwrap(wrapped, context=context)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ring(tmp_path, store, clock):
    CountingProvider.unwraps, CountingProvider.down = 0, False
    provider = CountingProvider.create(tmp_path / "keys.json", at=AT)
    return KeyRing(provider=provider, store=store, environment="test", clock=clock)


class TestSealing:
    def test_round_trip_gives_the_value(self, ring):
        sealed = ring.seal(b"ada@example.com", context=PLACE, subject_id=ADA)
        assert ring.open(sealed, context=PLACE) == b"ada@example.com"

    def test_each_subject_has_one_key_of_its_own(self, ring, store):
        first = ring.seal(b"a", context=PLACE, subject_id=ADA)
        second = ring.seal(b"b", context=replace(PLACE, row_id=UUID(int=31)), subject_id=ADA)
        third = ring.seal(b"c", context=PLACE, subject_id=BOB)
        assert key_id_of(first) == key_id_of(second) != key_id_of(third)
        assert len(store.keys) == 2

    def test_sealer_seals_many_values_of_one_subject_and_of_no_other_organisation(self, ring):
        seal = ring.sealer(organisation_id=BANK, subject_id=ADA)
        places = [replace(PLACE, row_id=UUID(int=40 + at)) for at in range(3)]

        sealed = [seal(b"value", place) for place in places]

        assert [ring.open(one, context=place) for one, place in zip(sealed, places, strict=True)] == [
            b"value"
        ] * 3
        with pytest.raises(Unreadable, match="another organisation"):
            seal(b"value", replace(PLACE, organisation_id=SHOP))

    def test_sealer_of_a_destroyed_key_is_not_given(self, ring, store):
        ring.seal(b"a", context=PLACE, subject_id=ADA)
        store.change(ADA, wrapped=None)

        with pytest.raises(KeyDestroyed):
            ring.sealer(organisation_id=BANK, subject_id=ADA)

    def test_same_subject_in_two_organisations_has_two_keys(self, ring):
        first = ring.seal(b"a", context=PLACE, subject_id=ADA)
        second = ring.seal(b"a", context=replace(PLACE, organisation_id=SHOP), subject_id=ADA)
        assert key_id_of(first) != key_id_of(second)

    def test_value_of_another_organisation_is_refused_with_its_key_in_the_cache(self, ring):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.open(sealed, context=PLACE)
        with pytest.raises(Unreadable, match="not known here"):
            ring.open(sealed, context=replace(PLACE, organisation_id=SHOP))

    def test_unknown_key_is_refused(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.forget_all()
        store.keys.clear()
        with pytest.raises(Unreadable, match="not known here"):
            ring.open(sealed, context=PLACE)

    def test_loser_of_a_race_seals_under_the_winners_key(self, ring, store):
        store.add(ring._new_key(BANK, ADA))
        store.of_subject = lambda **_: None
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        assert key_id_of(sealed) == store.keys[BANK, ADA].key_id
        assert ring.open(sealed, context=PLACE) == b"a"

    def test_thirty_two_threads_at_first_use_make_one_key(self, ring, store):
        barrier, sealed = threading.Barrier(32), []

        def work():
            barrier.wait()
            sealed.append(ring.seal(b"a", context=PLACE, subject_id=ADA))

        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({key_id_of(value) for value in sealed}) == 1
        assert all(ring.open(value, context=PLACE) == b"a" for value in sealed)


class TestDestruction:
    def test_destroyed_key_opens_and_seals_nothing(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        store.change(ADA, wrapped=None)
        ring.forget(key_id_of(sealed))

        with pytest.raises(KeyDestroyed):
            ring.open(sealed, context=PLACE)
        with pytest.raises(KeyDestroyed):
            ring.seal(b"b", context=PLACE, subject_id=ADA)

    def test_sealing_is_refused_with_the_key_still_in_the_cache(self, ring, store):
        ring.open(ring.seal(b"a", context=PLACE, subject_id=ADA), context=PLACE)
        store.change(ADA, wrapped=None)
        with pytest.raises(KeyDestroyed):
            ring.seal(b"b", context=PLACE, subject_id=ADA)

    def test_destruction_elsewhere_takes_hold_within_the_age_of_the_cache(self, ring, store, clock):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        store.change(ADA, wrapped=None)
        clock.now = 59
        assert ring.open(sealed, context=PLACE) == b"a"
        clock.now = 61
        with pytest.raises(KeyDestroyed):
            ring.open(sealed, context=PLACE)


class TestStoredKey:
    def test_key_put_in_place_of_another_is_refused(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        stored = store.keys[BANK, ADA]
        other = ring.provider.wrap(b"k" * 32, context=ring._key_context(stored))
        store.change(ADA, wrapped=other)
        ring.forget_all()
        with pytest.raises(Unreadable, match="not the one"):
            ring.open(sealed, context=PLACE)

    def test_key_of_another_subject_is_refused(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.seal(b"b", context=PLACE, subject_id=BOB)
        store.change(ADA, wrapped=store.keys[BANK, BOB].wrapped)
        ring.forget_all()
        with pytest.raises(Unreadable):
            ring.open(sealed, context=PLACE)

    def test_altered_wrapped_key_is_refused(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        wrapped = store.keys[BANK, ADA].wrapped
        store.change(ADA, wrapped=Wrapped(wrapped.blob[:-1] + b"\0\0", wrapped.version))
        ring.forget_all()
        with pytest.raises(Unreadable):
            ring.open(sealed, context=PLACE)

    def test_key_of_another_environment_is_refused(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        elsewhere = KeyRing(provider=ring.provider, store=store, environment="live")
        with pytest.raises(Unreadable):
            elsewhere.open(sealed, context=replace(PLACE, environment="live"))


class TestRewrap:
    def test_value_opens_after_rotation_and_rewrap(self, ring, store):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.provider.rotate()
        rewrapped = ring.rewrap(store.keys[BANK, ADA])
        store.keys[BANK, ADA] = rewrapped
        ring.forget_all()

        assert rewrapped.wrapped.version == 2
        assert ring.open(sealed, context=PLACE) == b"a"

    def test_destroyed_key_is_not_brought_back(self, ring, store):
        ring.seal(b"a", context=PLACE, subject_id=ADA)
        store.change(ADA, wrapped=None)
        with pytest.raises(KeyDestroyed):
            ring.rewrap(store.keys[BANK, ADA])


class TestCaching:
    def test_sixty_four_misses_at_once_unwrap_once(self, ring):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.forget_all()
        CountingProvider.unwraps = 0
        barrier = threading.Barrier(64)

        def work():
            barrier.wait()
            ring.open(sealed, context=PLACE)

        threads = [threading.Thread(target=work) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert CountingProvider.unwraps == 1

    def test_keys_in_memory_outlive_the_keeper_up_to_their_age(self, ring, clock):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        CountingProvider.down = True
        assert ring.open(sealed, context=PLACE) == b"a"
        clock.now = 61
        with pytest.raises(KeysUnavailable):
            ring.open(sealed, context=PLACE)

    def test_failure_to_load_is_not_remembered(self, ring):
        sealed = ring.seal(b"a", context=PLACE, subject_id=ADA)
        ring.forget_all()
        CountingProvider.down = True
        with pytest.raises(KeysUnavailable):
            ring.open(sealed, context=PLACE)
        CountingProvider.down = False
        assert ring.open(sealed, context=PLACE) == b"a"

    def test_least_used_entries_go_first(self):
        cache = KeyCache(count_max=2, age_s_max=60, clock=lambda: 0.0)
        for key in ("a", "b", "a", "c"):
            cache.get(key, lambda key=key: key)
        loaded = []
        for key in ("a", "c"):
            cache.get(key, lambda key=key: loaded.append(key))
        assert loaded == []
        assert len(cache) == 2


class TestIndex:
    def place(self, **changes):
        return {"organisation_id": BANK, "table": "accounts_party", "column": "email", **changes}

    def test_equal_values_of_one_place_have_equal_indexes(self, ring):
        assert ring.index("a", **self.place()) == ring.index("a", **self.place())
        assert len(ring.index("a", **self.place())) == 32

    @pytest.mark.parametrize("changes", [{"organisation_id": SHOP}, {"table": "other"}, {"column": "phone"}])
    def test_equal_values_of_two_places_cannot_be_linked(self, ring, changes):
        assert ring.index("a", **self.place()) != ring.index("a", **self.place(**changes))

    def test_index_survives_rotation(self, ring):
        before = ring.index("a", **self.place())
        ring.provider.rotate()
        ring.forget_all()
        assert ring.index("a", **self.place()) == before
