"""The local key file is made once, by one maker, and refused unless only its owner can read it."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime

import pytest

from apps.core.crypto.errors import KeysUnavailable, Unreadable
from apps.core.crypto.local_file import LocalFileProvider

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "keys.json"


def create(path):
    return LocalFileProvider.create(path, at=AT)


def mac_after_create(path):
    return create(path).mac(b"who am I").hex()


def rotate(path):
    return LocalFileProvider(path).rotate(at=AT)


class TestCreation:
    def test_file_and_folder_are_for_the_owner_only(self, path):
        create(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    def test_second_creation_keeps_the_first_file(self, path):
        first = create(path).mac(b"x")
        assert create(path).mac(b"x") == first

    def test_twelve_processes_at_once_end_with_one_file(self, path):
        with multiprocessing.get_context("fork").Pool(12) as pool:
            macs = set(pool.map(mac_after_create, [path] * 24))
        assert len(macs) == 1
        assert [entry.name for entry in path.parent.iterdir()] == ["keys.json"]


class TestRefusals:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
    def test_file_that_others_can_use_is_refused(self, path, mode):
        create(path)
        path.chmod(mode)
        with pytest.raises(KeysUnavailable, match=f"{mode:04o}.*chmod 0600"):
            LocalFileProvider(path).wrap(b"k" * 32, context=b"place")
        assert not LocalFileProvider(path).status().ok

    def test_link_to_a_key_file_is_refused(self, path, tmp_path):
        create(path)
        link = tmp_path / "link.json"
        link.symlink_to(path)
        with pytest.raises(KeysUnavailable):
            LocalFileProvider(link).mac(b"x")

    def test_missing_file_is_never_made_by_reading(self, path):
        with pytest.raises(KeysUnavailable, match="No such file"):
            LocalFileProvider(path).mac(b"x")
        assert not path.exists()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: "",
            lambda content: "[]",
            lambda content: json.dumps(content)[:-20],
            lambda content: json.dumps({**content, "format": 2}),
            lambda content: json.dumps({**content, "mac_key": "AAAA"}),
            lambda content: json.dumps({**content, "versions": []}),
            lambda content: json.dumps({**content, "versions": content["versions"] * 2}),
            lambda content: json.dumps({**content, "versions": [{**content["versions"][0], "version": "1"}]}),
            lambda content: json.dumps({**content, "versions": [{**content["versions"][0], "key": "!"}]}),
        ],
    )
    def test_damaged_file_is_refused_without_showing_it(self, path, damage):
        create(path)
        content = json.loads(path.read_text())
        path.write_text(damage(content))
        with pytest.raises(KeysUnavailable, match="damaged") as caught:
            LocalFileProvider(path).mac(b"x")
        assert content["mac_key"] not in str(caught.value)

    def test_file_that_becomes_open_to_others_is_refused_at_once(self, path):
        provider = create(path)
        provider.mac(b"x")
        path.chmod(0o644)
        with pytest.raises(KeysUnavailable):
            provider.mac(b"x")


class TestRotation:
    def test_parallel_rotations_lose_no_version(self, path):
        create(path)
        with multiprocessing.get_context("fork").Pool(6) as pool:
            versions = sorted(pool.map(rotate, [path] * 12))
        assert versions == list(range(2, 14))
        assert path.stat().st_mode & 0o777 == 0o600

    def test_another_process_sees_the_new_version(self, path):
        other = create(path)
        other.wrap(b"k" * 32, context=b"place")
        LocalFileProvider(path).rotate(at=AT)
        assert other.wrap(b"k" * 32, context=b"place").version == 2

    def test_secrets_are_never_printed(self, path):
        provider = create(path)
        provider.mac(b"x")
        secret = json.loads(path.read_text())["mac_key"]
        shown = f"{provider!r} {provider._loaded!r} {provider.describe()} {provider.status()}"
        assert secret not in shown

    def test_key_wrapped_under_a_lost_file_names_the_reason(self, path):
        wrapped = create(path).wrap(b"k" * 32, context=b"place")
        path.unlink()
        with pytest.raises(Unreadable, match="not in the key file"):
            create(path).unwrap(wrapped, context=b"place")
