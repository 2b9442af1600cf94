"""Groups and skills, as an admin changes them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import directory, teams
from app.accounts.models import Distribution, Group, Role
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from tests.factories import make_agent, make_group, make_person

NOW = utcnow()


def log() -> list[tuple[str, str, str | None, str | None]]:
    found = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))
    return [(e.action, e.field, e.from_value, e.to_value) for e in found]


def test_a_group_is_made_and_changed_and_the_log_says_how(app: Flask) -> None:
    ada = make_agent(name="Ada", role=Role.ADMIN)
    bob = make_agent(name="Bob")
    group = teams.save_group(
        None,
        name="Ovens",
        distribution=Distribution.NONE,
        is_private=True,
        member_ids=[bob.id],
        by=ada,
        now=NOW,
    )
    db.session.commit()
    assert directory.groups()[group.id].member_ids == (bob.id,)
    teams.save_group(
        group,
        name="Ovens",
        distribution=Distribution.LEAST_BUSY,
        is_private=True,
        member_ids=[bob.id, ada.id],
        by=ada,
        now=NOW,
    )
    db.session.commit()
    assert set(directory.groups()[group.id].member_ids) == {ada.id, bob.id}
    assert log()[1:] == [
        ("changed", "Hands out", "By hand", "Least busy"),
        ("changed", "Members", "Bob", "Ada, Bob"),
    ]


def test_a_taken_name_and_a_customer_as_member_are_refused(app: Flask) -> None:
    ada = make_agent(role=Role.ADMIN)
    make_group("Ovens")
    for name, members, field in (("Ovens", [], "name"), ("Doors", [make_person().id], "members")):
        with pytest.raises(Invalid) as refused:
            teams.save_group(
                None,
                name=name,
                distribution=Distribution.NONE,
                is_private=False,
                member_ids=members,
                by=ada,
                now=NOW,
            )
        assert list(refused.value.errors) == [field]
    assert db.session.scalars(sa.select(Group.name)).all() == ["Ovens"]
    assert log() == []


def test_a_skill_goes_to_agents_and_from_them(app: Flask) -> None:
    ada, bob = make_agent(name="Ada", role=Role.ADMIN), make_agent(name="Bob")
    skill = teams.save_skill(None, name="Steam", holder_ids=[ada.id], by=ada, now=NOW)
    teams.save_skill(skill, name="Steam", holder_ids=[bob.id], by=ada, now=NOW)
    db.session.commit()
    cards = directory.agents()
    assert (cards[ada.id].skill_ids, cards[bob.id].skill_ids) == (set(), {skill.id})
    assert log()[-1] == ("changed", "Agents", "Ada", "Bob")
