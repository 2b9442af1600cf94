"""What the processes of the test of many at once do."""

from __future__ import annotations

import random
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from app import create_app
from app.channels import intake
from app.settings import load


def post_tickets(
    start: Barrier, environ: dict[str, str], token: str, n: int, count: int, told: Connection
) -> None:
    """Post *count* tickets that every process posts, and as many of this one alone.

    Numbers are drawn from few, so that they collide; addresses are spelt in another way by each.
    """
    chance = random.Random(n)
    intake.make_number = lambda: "TKT-AAAAAA" + "".join(chance.choices("ABCDEFGHJK", k=2))
    client = create_app(load(environ)).test_client()
    statuses = []
    start.wait()
    for step in range(count):
        for external_id, name in ((f"crm-{step}", f"p{n}-{step}"), (f"own-{n}-{step}", step)):
            address = f"johanna{name}@backhaus.example"
            body = {
                "subject": "All ovens are off",
                "description": "Since six.",
                "requester": {"email": address.upper() if n % 2 else address, "name": f"N{n}"},
                "category": ("billing", "technical")[n % 2],
                "external_id": external_id,
                "tags": [f"tag-{step}"],
            }
            headers = {"Authorization": f"Bearer {token}"}
            answer = client.post("/api/v1/tickets", json=body, headers=headers)
            statuses.append((external_id, answer.status_code))
    told.send(statuses)
