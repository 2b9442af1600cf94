"""Organizations in the browser."""

from __future__ import annotations

from flask.testing import FlaskClient

from app.accounts.models import Organization, OrganizationAccess, Person, Tier
from app.core.db import db
from tests.admin.pages import errors, log, post
from tests.factories import make_organization, make_person

NEW = "/admin/organizations/new"


def test_domains_make_members_and_are_taken_away_again(client: FlaskClient, ada: Person) -> None:
    thabo = make_person("thabo@shop.example")
    db.session.commit()
    data = {"name": "Shop", "domains": "shop.example\n@Shop.Test", "tier": "premium"}
    assert post(client, NEW, data | {"access": "all"}).status_code == 303
    shop = db.session.query(Organization).one()
    assert sorted(row.domain for row in shop.domains) == ["shop.example", "shop.test"]
    assert (shop.tier, shop.access) == (Tier.PREMIUM, OrganizationAccess.ALL)
    assert thabo.organization_id == shop.id
    path = f"/admin/organizations/{shop.id}"
    data |= {"domains": "shop.test", "access": "own"}
    assert post(client, path, data).status_code == 303
    assert [row.domain for row in shop.domains] == ["shop.test"]
    assert [line[2:] for line in log()[1:]] == [
        ("Domains", "shop.example, shop.test", "shop.test"),
        ("Members see", "all tickets of their organization", "their own tickets"),
    ]
    assert "Shop</a>" in client.get("/admin/organizations?q=SHOP.te").text


def test_what_cannot_be_is_refused(client: FlaskClient, ada: Person) -> None:
    make_organization("Other", external_id="7")
    taken = make_organization("Taken")
    db.session.commit()
    post(
        client,
        f"/admin/organizations/{taken.id}",
        {"name": "Taken", "domains": "taken.example", "tier": "free", "access": "own"},
    )
    data = {"name": "Shop", "domains": "", "tier": "standard", "access": "own"}
    for wrong, words in (
        ({"name": "Other"}, "Another organization has this name or external id."),
        ({"external_id": "7"}, "Another organization has this name or external id."),
        ({"domains": "gmail.com"}, "gmail.com: Anybody can have an address at gmail.com."),
        ({"domains": "nope"}, "nope: This is no domain."),
        ({"domains": "taken.example"}, "taken.example: taken.example belongs to Taken already."),
    ):
        answer = post(client, NEW, data | wrong)
        assert (answer.status_code, errors(answer)) == (422, [words])
    assert db.session.query(Organization).count() == 2
