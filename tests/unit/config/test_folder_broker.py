"""Messages in a folder: whole or not at all, each taken once, and no poison."""

from queue import Empty

import pytest
from kombu import Connection

from config import folder_broker


@pytest.fixture
def channel(tmp_path):
    folder_broker.use_for_folders()
    options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
    }
    with Connection("filesystem://", transport_options=options) as connection:
        yield connection.channel()


class TestMessages:
    def test_come_out_as_they_went_in_and_in_order(self, channel):
        for number in range(3):
            channel._put("default", {"n": number})

        assert [channel._get("default") for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]

    def test_are_taken_once(self, channel):
        channel._put("default", {"n": 1})
        channel._get("default")

        with pytest.raises(Empty):
            channel._get("default")

    def test_that_were_cut_off_are_thrown_away(self, channel, tmp_path):
        (tmp_path / "0000_x.default.msg").write_text("")
        (tmp_path / "0001_x.default.msg").write_text('{"n": ')
        channel._put("default", {"n": 1})

        assert channel._get("default") == {"n": 1}
        assert list(tmp_path.glob("*.msg")) == []

    def test_that_are_being_written_are_not_seen(self, channel, tmp_path):
        (tmp_path / ".abc.part").write_text("{")

        with pytest.raises(Empty):
            channel._get("default")


class TestBindings:
    def test_survive_a_table_that_was_cut_off(self, channel):
        channel.control_folder.mkdir(exist_ok=True)
        channel._exchange_file("default").write_text("")

        channel._queue_bind("default", "default", "", "default")

        assert [row.queue for row in channel.get_table("default")] == ["default"]
