"""Fixtures of the console's tests: a small world, and staff who are logged in through both factors."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.console.world import PASSWORD, World, browser, code_of, open_world, staff

_browsers: dict[tuple[str, str], Any] = {}
_worlds: dict[str, World] = {}


@pytest.fixture
def world(db: None, database: str) -> World:
    """Give a world, made once for each test database: it is only looked at."""
    if database not in _worlds:
        _worlds[database] = open_world()
    return _worlds[database]


@pytest.fixture
def logged_in(db: None) -> Callable[[str], Any]:
    """Give a function that logs a new member of staff with a role in, as a person would."""

    def enter(role: str) -> Any:
        user = staff(role)
        client = browser()
        client.post("/console/login/", {"username": user.username, "password": PASSWORD})
        answer = client.post("/console/login/code/", {"code": code_of(user)})
        assert answer.status_code == 302 and answer["Location"] == "/console/"
        client.user = user
        return client

    return enter


@pytest.fixture
def as_role(logged_in: Callable[[str], Any], database: str) -> Callable[[str], Any]:
    """Give a function like `logged_in` that logs in once for each role: for tests that only look."""

    def enter(role: str) -> Any:
        if (database, role) not in _browsers:
            _browsers[database, role] = logged_in(role)
        return _browsers[database, role]

    return enter
