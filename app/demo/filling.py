"""Writes a hundred thousand stories: plain inserts in batches, all in one transaction."""

from __future__ import annotations

import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Person, Presence, Role
from app.channels.models import AutoResponseTemplate
from app.core.cache import bump_stamp
from app.core.db import begin_write, db
from app.core.settings_store import settings_of
from app.demo import company
from app.demo.company import DOMAIN, HISTORY
from app.demo.drafts import Draft, World
from app.demo.stories import Story
from app.help import practice
from app.mail.models import Channel, InboundEmail, InboundState, MailReceipt, RawEmail
from app.routing.rules import Agent, Desk, active_rules, hindrance
from app.search.bulk import index_built_afterwards
from app.tickets import catalog
from app.tickets.attachments import StoredFile, store_bytes
from app.tickets.catalog_models import Tag, ticket_tag
from app.tickets.history_models import DecisionRecord, Reopening, TicketEvent
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Attachment, Comment, Participant, SlaClock, Ticket
from app.tickets.timeline import System, row
from app.tickets.words import WAITS_FOR_US, EventKind, Source

BATCH = 1_000  # tickets
GROWTH = 1.8  # of the company: 1 would be as many tickets on every day
TABLES: dict[str, Any] = {
    "ticket": Ticket.__table__,
    "comment": Comment.__table__,
    "ticket_event": TicketEvent.__table__,
    "reopening": Reopening.__table__,
    "sla_clock": SlaClock.__table__,
    "ticket_tag": ticket_tag,
    "ticket_message_id": TicketMessageId.__table__,
    "decision_record": DecisionRecord.__table__,
    "attachment": Attachment.__table__,
    "inbound_email": InboundEmail.__table__,
    "raw_email": RawEmail.__table__,
    "mail_receipt": MailReceipt.__table__,
    "held_email": HeldEmail.__table__,
    "participant": Participant.__table__,
}

MOST_HELD = 12
HELD = (
    ("Max Thornbury", "max.thornbury@elsewhere.example"),
    ("Yara Nasser", "yara@studio-nasser.example"),
    ("陈思远", "siyuan.chen@elsewhere.example"),
)
HELD_TEXT = """Hello,

a colleague has forwarded this to me. We have the same garden at our place, and I can say what
helped: the seal was upside down. Shall I send a picture?

{name}
"""
# Hours of the day (UTC) at which customers write, by how many do.
HOURS = (2, 1, 1, 1, 2, 3, 5, 8, 10, 11, 11, 10, 9, 9, 10, 10, 9, 8, 7, 7, 6, 5, 4, 3)


def fill(*, tickets: int, seed: int, password_hash: str, now: datetime) -> Counter[str]:
    """Found the company, then write *tickets* stories; commits. How many rows went where."""
    rng = Random(seed)  # noqa: S311 - the same seed, the same desk
    begin_write()
    made = company.found(rng, password_hash=password_hash, customers=tickets // 8, now=now)
    begin_write()
    connection = db.session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA cache_size=-250000")  # so that few pages go out twice
    world = _world(rng, made, now)
    written: Counter[str] = Counter()
    holders: Counter[int] = Counter()
    could_hold: list[Draft] = []
    with index_built_afterwards(connection):
        moments = _moments(rng, tickets, now)
        ids = count(_after(connection, Ticket.id))
        for start in range(0, tickets, BATCH):
            for at in moments[start : start + BATCH]:
                draft = Story(world, next(ids), at).tell()
                if draft.status in WAITS_FOR_US and draft.assignee_id:
                    holders[draft.assignee_id] += 1
                if draft.status in WAITS_FOR_US and draft.source is Source.EMAIL:
                    could_hold.append(draft)
            written += _write(connection, world.tables)
        _hold(connection, world, rng.sample(could_hold, min(MOST_HELD, len(could_hold))))
        written += _write(connection, world.tables)
    _set_limits(rng, holders)
    _move_sequences(connection)
    practice.begin()
    db.session.commit()
    return written


def _moments(rng: Random, tickets: int, now: datetime) -> list[datetime]:
    """When tickets come: more from month to month, at the hours of the day."""
    found = []
    for _ in range(tickets):
        at = now - HISTORY * rng.random() ** GROWTH - timedelta(minutes=3)
        if now - at > timedelta(days=2):
            hour = rng.choices(range(24), HOURS)[0]
            at = at.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60))
        found.append(at)
    return sorted(found)


def _world(rng: Random, made: company.Company, now: datetime) -> World:
    connection = db.session.connection()
    templates = sa.select(AutoResponseTemplate.category_id, AutoResponseTemplate.body)
    cards = directory.agents()
    supervisor = next(card.id for card in cards.values() if card.email == f"supervisor@{DOMAIN}")
    colleagues = defaultdict(list)
    for customer in made.customers.values():
        colleagues[customer.organization_id].append(customer.id)
    return World(
        rng=rng,
        now=now,
        company=made,
        colleagues=dict(colleagues),
        categories={card.key: card for card in catalog.categories().values()},
        desks=[_desk(rng, now) for _ in range(60)],
        agent_names={card.id: card.name for card in cards.values()},
        supervisor_id=supervisor,
        tags={name: tag for tag, name in connection.execute(sa.select(Tag.id, Tag.name))},
        templates={row.category_id: row.body for row in connection.execute(templates)},
        weights=settings_of("priority_"),
        pictures=[_picture(n) for n in range(5)] + [_diary(rng, now)],
        papers=[_invoice(n) for n in range(3)],
        comment_ids=count(_after(connection, Comment.id)),
        clock_ids=count(_after(connection, SlaClock.id)),
        tables={name: [] for name in TABLES},
    )


def _desk(rng: Random, now: datetime) -> Desk:
    """The desk at some moment: by night few are there."""
    by_night = rng.random() < 0.2
    agents = {}
    for card in directory.agents().values():
        if card.role is not Role.AGENT:
            continue
        is_there = rng.random() < (0.02 if by_night else 0.8)
        load, limit = rng.randrange(7), rng.choice((5, 6, 8))
        presence = Presence.ONLINE if is_there else Presence.OFFLINE
        reason = hindrance(presence, idle_since=now, active_at=None, load=load, limit=limit)
        last = now - timedelta(minutes=rng.randrange(600))
        agents[card.id] = Agent(card.id, card.name, load, limit, last, card.skill_ids, reason)
    return Desk(active_rules(), agents, directory.groups())


def _after(connection: sa.Connection, column: Any) -> int:
    return (connection.scalar(sa.select(sa.func.max(column))) or 0) + 1


def _write(connection: sa.Connection, tables: dict[str, list[dict[str, Any]]]) -> Counter[str]:
    """Insert what has gathered, parents first, and empty the lists."""
    written: Counter[str] = Counter()
    for name, table in TABLES.items():
        if tables[name]:
            connection.execute(sa.insert(table), tables[name])
            written[name] = len(tables[name])
            tables[name].clear()
    return written


def _hold(connection: sa.Connection, world: World, drafts: Sequence[Draft]) -> None:
    """A mail from someone new on each of *drafts*, waiting for a decision."""
    ids = count(_after(connection, InboundEmail.id))
    for draft, mail_id in zip(drafts, ids, strict=False):
        name, address = world.rng.choice(HELD)
        body = HELD_TEXT.format(name=name)
        at = draft.updated_at + (world.now - draft.updated_at) / 2
        reason = f"{address} takes no part in this ticket."
        _receive(world, draft, mail_id, address, body, reason=reason, at=at)
        world.tables["held_email"].append(
            {
                "ticket_id": draft.id,
                "inbound_email_id": mail_id,
                "from_address": address,
                "from_name": name,
                "reason": reason,
                "body": body,
                "created_at": at,
            }
        )
        draft.version += 1
        world.tables["ticket_event"].append(
            row(
                draft.id,
                EventKind.MAIL_HELD,
                by=System(),
                now=at,
                version=draft.version,
                new=f"A mail from {name} is held",
            )
        )
        changed = sa.update(TABLES["ticket"]).where(TABLES["ticket"].c.id == draft.id)
        connection.execute(changed.values(version=draft.version, updated_at=at))


def _receive(
    world: World,
    draft: Draft,
    mail_id: int,
    address: str,
    body: str,
    *,
    reason: str,
    at: datetime,
) -> None:
    """The mail itself in the ledger, as it came in."""
    message_id = f"{world.rng.getrandbits(96):024x}@elsewhere.example"
    raw = (
        f"From: {address}\r\nTo: support@{DOMAIN}\r\nSubject: {draft.number}\r\n"
        f"Message-ID: <{message_id}>\r\n\r\n{body}"
    ).encode()
    world.tables["inbound_email"].append(
        {
            "id": mail_id,
            "mailbox_id": world.company.mailbox_id,
            "message_id": message_id,
            "content_hash": f"{world.rng.getrandbits(256):064x}",
            "sender": address,
            "subject": f"Re: [{draft.number}] {draft.subject}"[:500],
            "size": len(raw),
            "state": InboundState.HELD,
            "reason": f"Held on {draft.number}: {reason}",
            "attempts": 1,
            "received_at": at,
            "due_at": at,
            "done_at": at,
        }
    )
    world.tables["raw_email"].append({"inbound_email_id": mail_id, "raw": raw})
    world.tables["mail_receipt"].append(
        {
            "mailbox_id": world.company.mailbox_id,
            "channel": Channel.LMTP,
            "inbound_email_id": mail_id,
            "attempts": 1,
            "received_at": at,
        }
    )


def _set_limits(rng: Random, holders: Counter[int]) -> None:
    """Limits that fit the loads: most agents have some room left, some have none."""
    for card in directory.agents().values():
        if card.role is Role.AGENT:
            limit = max(5, holders[card.id] + rng.choice((-1, 0, 1, 2, 3)))
            changed = sa.update(Person).where(Person.id == card.id)
            db.session.execute(changed.values(max_tickets=limit))
    bump_stamp(db.session())


def _move_sequences(connection: sa.Connection) -> None:
    """PostgreSQL: the next ids follow those that were given here."""
    if connection.dialect.name != "postgresql":
        return
    for table in (Person.__table__, *TABLES.values()):
        if "id" in table.c:
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            following = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1)
            connection.execute(
                sa.select(sa.func.setval(sequence, following.scalar_subquery(), False))
            )


def _picture(number: int) -> StoredFile:
    """A small photograph, or what passes for one: green light falling from a lamp."""
    width, height = 240, 160
    lines = bytearray()
    for y in range(height):
        lines.append(0)  # no filter on this line
        for x in range(width):
            light = max(0, 255 - abs(x - 40 * (number + 1)) - y)
            lines += bytes((light // 3, 60 + light // 2, light // 4))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines))), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)
    return store_bytes(data, f"garden-{number + 1}.png", "image/png")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _diary(rng: Random, now: datetime) -> StoredFile:
    lines = ["time,level,temperature,pump"]
    for hour in range(96):
        at = now - timedelta(hours=96 - hour)
        lines.append(f"{at:%Y-%m-%d %H:00},{90 - hour // 2},{rng.uniform(19, 25):.1f},on")
    return store_bytes("\n".join(lines).encode(), "diary.csv", "text/csv")


def _invoice(number: int) -> StoredFile:
    """The smallest PDF that shows a line of text."""
    text = b"BT /F1 18 Tf 60 760 Td (Greenlatch invoice, corrected copy %d) Tj ET" % (number + 1)
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    data, places = b"%PDF-1.4\n", []
    for n, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (n, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\n" % table
    data += b"startxref\n%d\n%%%%EOF\n" % data.index(b"xref\n0 6")
    return store_bytes(data, f"invoice-{number + 1}.pdf", "application/pdf")
