"""Fixtures of every test. A test that needs the database asks for `db`, and makes its own organisation."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.database import clone_database, start_cluster

T = TypeVar("T")
Row = tuple[Any, ...]
Sql = Callable[..., list[Row]]

hypothesis_settings.register_profile(
    "bezant",
    deadline=None,
    print_blob=True,
    # Our `db` is never rolled back, so examples may share it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("bezant")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse the marker that would roll back or flush: our tables allow neither."""
    for item in items:
        if item.get_closest_marker("django_db"):
            raise pytest.UsageError(
                f"{item.nodeid}: ask for the fixture `db` instead of the marker django_db"
            )


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """Give the name of this worker's own database, cloned from the migrated template."""
    cluster = start_cluster(settings.RUN_DIR)
    clone_database(cluster, name=settings.TEST_DATABASE)
    yield settings.TEST_DATABASE


@pytest.fixture
def db(database: str, django_db_blocker: Any) -> Iterator[None]:
    """Open the database as `bezant_app`. What a test commits stays: there is no rollback and no flush."""
    with django_db_blocker.unblock():
        yield
        left_open = connection.in_atomic_block
        connections.close_all()
    assert not left_open, "the test left a transaction open"


@pytest.fixture
def transactional_db(db: None) -> None:
    """Stand in for pytest-django's flushing fixture, for its `live_server` and the like."""


@pytest.fixture(scope="session")
def sql_as(database: str) -> Callable[[str], Sql]:
    """Give a function that runs SQL under a named role, each call in a transaction of its own."""

    def under(role: str) -> Sql:
        def run(statement: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
            address = {"host": settings.DATABASES["default"]["HOST"], "dbname": database, "user": role}
            with psycopg.connect(**address) as own:
                cursor = own.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []

        return run

    return under


@pytest.fixture
def owner_sql(sql_as: Callable[[str], Sql], db: None) -> Sql:
    """Run SQL as `bezant_owner`, who owns every table (and still may not rewrite the ledger)."""
    return sql_as("bezant_owner")


@pytest.fixture
def admin_sql(sql_as: Callable[[str], Sql], db: None) -> Sql:
    """Run SQL as the superuser: for tests of what even that would leave as a trace."""
    return sql_as("postgres")


@pytest.fixture
def make_organisation(db: None) -> Callable[..., Any]:
    """Give a function that makes one more organisation, for tests of what keeps two apart."""

    def make(*, name: str = "Example Trading Ltd", **fields: Any) -> Any:
        from apps.accounts.models import Organisation
        from apps.core import clock, ids, tenancy

        at = clock.database_now()
        organisation_id = ids.uuid7(at)
        with tenancy.scope(organisation_id):
            return Organisation.objects.create(
                id=organisation_id,
                name=name,
                created_at=at,
                **({"kind": "merchant", "country": "NL"} | fields),
            )

    return make


@pytest.fixture
def organisation(make_organisation: Callable[..., Any]) -> Any:
    """Give an organisation that is this test's alone: an `accounts.Organisation`."""
    return make_organisation()


@pytest.fixture
def organisation_id(organisation: Any) -> Any:
    """Give the id of this test's organisation."""
    return organisation.id


@pytest.fixture
def in_threads(db: None) -> Callable[[Callable[[T], Any], Sequence[T]], list[Any]]:
    """Give a function that calls `work` with each argument at the same moment, each in its own thread.

    Every thread has its own database connection, closed at its end. The answer holds, in order, what
    each call returned or the exception it raised.
    """

    def run(work: Callable[[T], Any], arguments: Sequence[T]) -> list[Any]:
        together = threading.Barrier(len(arguments))

        def one(argument: T) -> Any:
            try:
                connection.ensure_connection()
                together.wait(timeout=60)
                return work(argument)
            except Exception as error:  # the test judges it
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(max_workers=len(arguments)) as pool:
            return list(pool.map(one, arguments))

    return run
