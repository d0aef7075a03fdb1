"""How Celery is set up: what a broker is told, and what a task may not do."""

import pytest
from celery.exceptions import QueueNotFound

from config.celery import QUEUES, app, configuration, every


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
    def test_drops_a_wake_up_that_nobody_heard_in_time(self) -> None:
        assert every(30, "payments.work")["options"] == {"expires": 30}
        assert every(1, "payments.work")["options"] == {"expires": 5}
