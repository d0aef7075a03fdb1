"""How Celery is set up: what a broker is told, and what a task may not do."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery.exceptions import QueueNotFound

from config.celery import (
    QUEUES,
    WAKE_UP_KEPT_S,
    LivingScheduler,
    app,
    configuration,
    every,
    steady_now,
)


class TestConfiguration:
    @pytest.mark.parametrize("broker", ["filesystem://", "redis://localhost/0", "amqp://localhost//"])
    def test_gives_a_message_back_when_its_worker_dies(self, broker: str) -> None:
        settings = configuration(broker)

        assert settings["task_acks_late"]
        assert settings["task_reject_on_worker_lost"]
        assert settings["worker_prefetch_multiplier"] == 1

    def test_declares_quorum_queues_with_a_limit_to_rabbitmq(self) -> None:
        queues = configuration("amqp://localhost//")["task_queues"]

        assert {queue.name for queue in queues} == set(QUEUES)
        assert all(queue.queue_arguments["x-queue-type"] == "quorum" for queue in queues)
        assert all(queue.queue_arguments["x-delivery-limit"] > 0 for queue in queues)

    def test_declares_plain_queues_to_others(self) -> None:
        assert not any(queue.queue_arguments for queue in configuration("redis://localhost/0")["task_queues"])

    def test_has_redis_hand_out_again_within_minutes(self) -> None:
        assert configuration("redis://localhost/0")["broker_transport_options"]["visibility_timeout"] == 300

    def test_polls_the_folder_ten_times_a_second(self) -> None:
        assert configuration("filesystem://")["broker_transport_options"]["polling_interval"] == 0.1

    def test_accepts_nothing_but_json(self) -> None:
        assert configuration("filesystem://")["accept_content"] == ["json"]


class TestTheApp:
    def test_sends_each_context_s_tasks_to_its_own_queue(self) -> None:
        app.loader.import_default_modules()
        ours = [name for name in app.tasks if not name.startswith("celery.")]

        for name in ours:
            context = name.partition(".")[0]
            wanted = context if context in QUEUES else "default"
            assert app.amqp.router.route({}, name)["queue"].name == wanted, name
        assert {name.partition(".")[0] for name in ours} >= set(QUEUES) - {"default"}

    def test_has_no_task_that_names_its_queue_itself(self) -> None:
        """Celery 6 no longer looks at it, and 5 warns."""
        assert not [name for name, task in app.tasks.items() if "queue" in type(task).__dict__]

    def test_refuses_a_queue_that_nobody_declared(self) -> None:
        with pytest.raises(QueueNotFound, match="nobodys"):
            app.send_task("core.record_heartbeat", queue="nobodys")

    def test_keeps_no_results(self) -> None:
        assert app.conf.task_ignore_result
        assert app.conf.result_backend is None

    def test_wakes_only_tasks_that_exist_on_queues_that_exist(self) -> None:
        app.loader.import_default_modules()

        for entry in app.conf.beat_schedule.values():
            task = app.tasks[entry["task"]]
            assert getattr(task, "queue", "default") in QUEUES, entry["task"]


class TestEvery:
    def test_is_due_by_a_clock_that_nobody_sets(self) -> None:
        """Put back by an hour, the machine's clock would else keep beat silent for an hour."""
        wake_up = every(30, "payments.work")["schedule"]
        began = wake_up.now()

        with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
            assert abs(wake_up.now() - began) < timedelta(seconds=5)
            assert not wake_up.is_due(began).is_due
            assert wake_up.is_due(began - timedelta(seconds=30)).is_due

    def test_beat_keeps_its_steady_clock(self) -> None:
        scheduler = LivingScheduler(app, lazy=True)
        scheduler.setup_schedule()

        entries = scheduler.schedule.values()
        with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
            assert all(abs(entry.default_now() - steady_now()) < timedelta(seconds=5) for entry in entries)

    def test_drops_a_wake_up_only_long_after_any_two_clocks_agree(self) -> None:
        app.loader.import_default_modules()

        ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
        assert {task.expires for task in ours} == {WAKE_UP_KEPT_S}
