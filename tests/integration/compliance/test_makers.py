"""A request dies with its maker's permission: staff who left or changed roles get nothing done."""

from __future__ import annotations

import uuid

import pytest

from apps.accounts.models import User
from apps.accounts.queries import staff_actor
from apps.accounts.registrations import permissions_of_maker
from apps.accounts.roles import permissions_of
from apps.core import ids


@pytest.fixture
def ada(db):
    return User.objects.create_user(
        id=uuid.uuid4(),
        username=f"ada-{uuid.uuid4()}",
        password="a long enough one",
        kind="staff",
        role="operator",
    )


class TestMakersPermissions:
    def test_are_those_of_the_role_held_now(self, ada):
        actor = staff_actor(ada)
        assert permissions_of_maker(actor.kind, actor.id) == actor.permissions
        ada.role = "viewer"
        ada.save()
        assert permissions_of_maker(actor.kind, actor.id) == permissions_of("viewer")

    def test_are_none_once_the_maker_has_left(self, ada):
        actor = staff_actor(ada)
        ada.is_active = False
        ada.save()
        assert permissions_of_maker(actor.kind, actor.id) == frozenset()
        assert permissions_of_maker("staff", ids.public_id("usr", uuid.uuid4())) == frozenset()

    @pytest.mark.parametrize("maker", [("api", "client-1"), ("system", "beat"), ("staff", "night-shift")])
    def test_are_unknown_for_whoever_is_no_user(self, db, maker):
        assert permissions_of_maker(*maker) is None
