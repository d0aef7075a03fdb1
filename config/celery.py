"""Celery: it wakes workers and says when, nothing more.

A task carries no work of its own: it claims a batch from the database, works it and ends. So a task may
run twice or be lost without harm; retries, delays and results live in tables, and Celery's own
(`retry`, `eta`, `countdown`, result backends) are not used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.beat import Scheduler
from celery.schedules import schedule
from celery.signals import setup_logging, worker_ready
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from config import folder_broker

QUEUES = ("default", "webhooks", "payments", "reconciliation")
ROUTES = {f"{name}.*": {"queue": name} for name in QUEUES if name != "default"}
"""A context that has a queue of its own gets all of its tasks there; the others share the default one."""
HEARTBEAT_S = 10
# Redelivered this often, a message has killed that many workers; RabbitMQ then drops it.
REDELIVERIES_MAX = 20
DEAD_LETTERS = "bezant.dead"
POLLING_INTERVAL_S = 0.1
# A wake-up that found no worker for so long is dropped, so that a day without workers leaves no heap of
# them. It is far more than the clocks of two machines are apart: a worker drops by its own clock.
WAKE_UP_KEPT_S = 1800


def _queues(broker: str) -> list[Queue]:
    arguments: dict[str, Any] = {}
    if urlsplit(broker).scheme in ("amqp", "amqps", "pyamqp"):
        # What is dropped (it killed one worker after the other) can be looked at in the dead-letter queue.
        # It held a wake-up only: the work is in the tables, so the queue may be purged.
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": REDELIVERIES_MAX,
            "x-dead-letter-exchange": DEAD_LETTERS,
            "x-dead-letter-routing-key": DEAD_LETTERS,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return [
        Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=arguments)
        for name in QUEUES
    ]


def _transport_options(broker: str, folder: Path) -> dict[str, Any]:
    """Choose what each kind of broker needs so that a dead worker's message comes back, and soon."""
    kind = urlsplit(broker).scheme
    if kind == "filesystem":
        for name in ("queue", "control"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        return {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "control_folder": str(folder / "control"),
            "polling_interval": POLLING_INTERVAL_S,
        }
    if kind in ("redis", "rediss"):
        return {
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "health_check_interval": 25,
        }
    if kind == "sqs":
        parts = urlsplit(broker)
        return {
            "region": os.environ.get("AWS_REGION", "eu-central-1"),
            "is_secure": parts.hostname not in ("127.0.0.1", "localhost"),
            "visibility_timeout": 300,
            "wait_time_seconds": 1,
            "polling_interval": POLLING_INTERVAL_S,
            "queue_name_prefix": "bezant-",
        }
    return {"confirm_publish": True, "connect_timeout": 3}


def configuration(broker: str) -> dict[str, Any]:
    """Give Celery's settings for one broker."""
    # The filesystem transport has no fan-out worth the name, so nothing is asked of the workers through it.
    local = urlsplit(broker).scheme == "filesystem"
    return {
        "broker_url": broker,
        "broker_transport_options": _transport_options(broker, Path(settings.BROKER_DIR)),
        "broker_connection_retry_on_startup": True,
        "task_queues": _queues(broker),
        "task_default_queue": "default",
        "task_default_exchange": "default",
        "task_default_routing_key": "default",
        "task_create_missing_queues": False,
        "task_routes": ROUTES,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_publish_retry": False,
        "task_annotations": {"*": {"expires": WAKE_UP_KEPT_S}},
        "task_time_limit": 120,
        "task_soft_time_limit": 90,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 1_000,
        "worker_max_memory_per_child": 400_000,  # kilobytes
        "worker_soft_shutdown_timeout": 30,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_hijack_root_logger": False,
        "worker_enable_remote_control": not local,
        "beat_scheduler": "config.celery:LivingScheduler",
        "beat_max_loop_interval": 5,
        "timezone": "UTC",
        "enable_utc": True,
    }


folder_broker.use_for_folders()
# The danger meant is pickled tasks, which `accept_content` shuts out; containers run as root.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

app = Celery("bezant")
app.conf.update(configuration(settings.CELERY_BROKER_URL))
app.autodiscover_tasks()


_STARTED_AT, _STARTED_S = datetime.now(UTC), time.monotonic()


def steady_now() -> datetime:
    """Tell the time by a clock that nobody sets: of two readings the difference is right, even when the
    machine's clock is put back in between, after which beat would otherwise be silent for as long.
    """
    return _STARTED_AT + timedelta(seconds=time.monotonic() - _STARTED_S)


def every(seconds: float, task: str, **arguments: Any) -> dict[str, Any]:
    """Wake a task at an interval."""
    steady = schedule(timedelta(seconds=seconds), nowfun=steady_now)
    return {"task": task, "schedule": steady, "kwargs": arguments}


# Who is woken, how often. Which queue a task goes to follows from its name (ROUTES).
app.conf.beat_schedule = {
    "heartbeat of the worker": every(HEARTBEAT_S, "core.record_heartbeat"),
    "payment files out": every(settings.BANK_FILES_EVERY_S, "payments.export_due_batches"),
    "status reports in": every(settings.BANK_FILES_EVERY_S, "payments.import_status_reports"),
    "returns in": every(settings.BANK_FILES_EVERY_S, "payments.import_returns"),
    "standing orders": every(60, "payments.run_standing_orders"),
    "debits presented again": every(300, "payments.retry_collections"),
    "orders nobody approved": every(300, "payments.expire_holds"),
    "recalls out": every(settings.BANK_FILES_EVERY_S, "payments.send_recalls"),
    "prenotifications": every(60, "payments.tell_of_collections"),
    "collections that are final": every(300, "payments.finalise_collections"),
    "instant payments out": every(2, "payments.send_instants"),
    "questions about instant payments": every(5, "payments.inquire_unknown"),
    "card requests left behind": every(settings.CARDS_EVERY_S, "payments.work_cards"),
    "card settlement reports in": every(settings.BANK_FILES_EVERY_S, "reconciliation.take_in_card_reports"),
    "card payments past their time": every(60, "payments.expire_intents"),
    "statements in": every(settings.BANK_FILES_EVERY_S, "reconciliation.take_in_statements"),
    "provider events": every(1, "webhooks.work_inbox"),
    "deliveries": every(1, "webhooks.send_deliveries"),
    "replays of dead letters": every(1, "webhooks.advance_replays"),
    "seals of the audit log": every(5, "compliance.seal_audit"),
    "requests nobody decided": every(300, "compliance.expire_requests"),
    "what providers say they sent": every(900, "webhooks.reconcile_sources"),
    "housekeeping of the webhooks": every(3600, "webhooks.keep_house"),
    "tokens past their time": every(3600, "authz.clear_expired_tokens"),
}


class LivingScheduler(Scheduler):
    """Celery's scheduler in memory, which also records that it is alive.

    Nothing is kept on disk: every task asks the database what is due, so a missed tick is made good by
    the next one.
    """

    # Celery would keep one connection for good, and without its own retries never leave a dead one. From
    # the pool each wake-up gets one that is looked at first.
    producer = None

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        _record_heartbeat("beat")
        return super().tick(*args, **kwargs)


@app.task(name="core.record_heartbeat")
def record_heartbeat(**_: Any) -> None:
    """Prove the whole path: beat sent this, the broker carried it, a worker ran it."""
    _record_heartbeat("worker")


def _keep_dead_letters() -> None:
    """Declare where RabbitMQ puts what it drops; nobody consumes it."""
    if urlsplit(app.conf.broker_url).scheme not in ("amqp", "amqps", "pyamqp"):
        return
    queue = Queue(
        DEAD_LETTERS,
        Exchange(DEAD_LETTERS, type="direct"),
        routing_key=DEAD_LETTERS,
        queue_arguments={"x-queue-type": "quorum"},
    )
    with app.connection_for_write() as connection, connection.channel() as channel:
        queue(channel).declare()


@worker_ready.connect
def _worker_is_ready(**_: Any) -> None:
    _keep_dead_letters()
    _record_heartbeat("worker")


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Leave logging as Django's settings made it (one format, no personal data), without the routine."""
    logging.getLogger("celery").setLevel(logging.WARNING)
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)  # it warns that a folder has no host name


def _record_heartbeat(kind: str) -> None:
    from apps.core import clock, heartbeats

    close_old_connections()
    # A database that is away for a moment must not end the process; the missing sign of life tells.
    with contextlib.suppress(DatabaseError):
        heartbeats.beat(kind, clock.database_now())
