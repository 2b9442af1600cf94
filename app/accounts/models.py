"""People and what they belong to. One table holds everybody, customers and agents alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from flask_login import UserMixin
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, partial_index


class Role(StrEnum):
    """What a person may do, from least to most."""

    CUSTOMER = "customer"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


AGENT_ROLES = (Role.AGENT, Role.SUPERVISOR, Role.ADMIN)


class Tier(StrEnum):
    """How a customer is served."""

    FREE = "free"
    STANDARD = "standard"
    PREMIUM = "premium"
    ENTERPRISE = "enterprise"


class Presence(StrEnum):
    """Whether an agent takes new tickets now."""

    ONLINE = "online"
    AWAY = "away"
    BUSY = "busy"
    OFFLINE = "offline"


class Distribution(StrEnum):
    """How a group gives its tickets to its members."""

    NONE = "none"
    ROUND_ROBIN = "round_robin"
    LEAST_BUSY = "least_busy"


class OrganizationAccess(StrEnum):
    """Whether members see the tickets of their whole organization."""

    OWN = "own"
    ALL = "all"


class Organization(Base):
    """A customer company."""

    __tablename__ = "organization"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    external_id: Mapped[str | None] = mapped_column(sa.String(255), unique=True)
    tier: Mapped[Tier] = mapped_column(default=Tier.STANDARD)
    notes: Mapped[str] = mapped_column(sa.Text, default="")
    access: Mapped[OrganizationAccess] = mapped_column(default=OrganizationAccess.OWN)
    created_at: Mapped[datetime]
    domains: Mapped[list[OrganizationDomain]] = relationship(
        back_populates="organization", cascade="all, delete-orphan", passive_deletes=True
    )


class OrganizationDomain(Base):
    """A mail domain that an admin entered for an organization, in lower case."""

    __tablename__ = "organization_domain"
    __reference__ = True
    domain: Mapped[str] = mapped_column(sa.String(253), primary_key=True)
    organization_id: Mapped[int] = mapped_column(
        sa.ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    organization: Mapped[Organization] = relationship(back_populates="domains")


group_member = sa.Table(
    "group_member",
    Base.metadata,
    sa.Column("group_id", sa.ForeignKey("agent_group.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "person_id", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

person_skill = sa.Table(
    "person_skill",
    Base.metadata,
    sa.Column("person_id", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "skill_id", sa.ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
)


class Skill(Base):
    """Something an agent knows and a category may need."""

    __tablename__ = "skill"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)


class Group(Base):
    """A team of agents with its own queue."""

    __tablename__ = "agent_group"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    is_private: Mapped[bool] = mapped_column(default=False)
    distribution: Mapped[Distribution] = mapped_column(default=Distribution.NONE)
    created_at: Mapped[datetime]
    members: Mapped[list[Person]] = relationship(secondary=group_member, back_populates="groups")


class Person(UserMixin, Base):
    """Anybody: requester, agent, supervisor, admin.

    ``password_hash`` is argon2id; without one a person signs in by a mailed link.
    ``tier`` None means the organization's, else standard.
    """

    __tablename__ = "person"
    __table_args__ = (
        sa.Index("ix_person_role_presence", "role", "presence"),
        partial_index(
            "ix_person_organization_id", "organization_id", where="organization_id is not null"
        ),
        partial_index(
            "uq_person_external_id", "external_id", where="external_id is not null", unique=True
        ),
        sa.CheckConstraint("max_tickets >= 0", name="max_tickets"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    phone: Mapped[str] = mapped_column(sa.String(50), default="")
    external_id: Mapped[str | None] = mapped_column(sa.String(255))
    organization_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("organization.id", ondelete="SET NULL")
    )
    role: Mapped[Role] = mapped_column(default=Role.CUSTOMER)
    tier: Mapped[Tier | None]
    language: Mapped[str] = mapped_column(sa.String(20), default="en")
    time_zone: Mapped[str] = mapped_column(sa.String(60), default="")  # "" means the desk's
    password_hash: Mapped[str | None] = mapped_column(sa.String(200))
    is_active: Mapped[bool] = mapped_column(default=True)
    merged_into_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )
    max_tickets: Mapped[int] = mapped_column(default=5)
    presence: Mapped[Presence] = mapped_column(default=Presence.OFFLINE)
    presence_is_chosen: Mapped[bool] = mapped_column(default=False)  # busy or away by hand: stays
    totp_secret: Mapped[str | None] = mapped_column(sa.String(300))  # sealed
    totp_step: Mapped[int | None]  # of the last code that was used
    muted_notices: Mapped[list[str]] = mapped_column(default=list)  # kinds of mail not wanted
    last_active_at: Mapped[datetime | None]
    last_assigned_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    organization: Mapped[Organization | None] = relationship()
    emails: Mapped[list[PersonEmail]] = relationship(
        back_populates="person", cascade="all, delete-orphan", passive_deletes=True
    )
    groups: Mapped[list[Group]] = relationship(secondary=group_member, back_populates="members")
    skills: Mapped[list[Skill]] = relationship(secondary=person_skill)

    @property
    def is_agent(self) -> bool:
        """True for whoever answers tickets: agent, supervisor, admin."""
        return self.role in AGENT_ROLES

    @property
    def is_supervisor(self) -> bool:
        """True for supervisors and admins."""
        return self.role in (Role.SUPERVISOR, Role.ADMIN)

    @property
    def is_admin(self) -> bool:
        """True for admins."""
        return self.role is Role.ADMIN

    @property
    def email(self) -> str:
        """The main address, or "" where there is none; loads the addresses."""
        return next((e.address for e in self.emails if e.is_main), "")

    @property
    def display_name(self) -> str:
        """The name, or the address where no name is known."""
        return self.name or self.email or "Unknown"

    @property
    def effective_tier(self) -> Tier:
        """The tier that counts: one's own, else the organization's, else standard."""
        if self.tier is not None:
            return self.tier
        return self.organization.tier if self.organization else Tier.STANDARD


class PersonEmail(Base):
    """An address of a person: lower case, unique over everybody.

    ``proven_at``: when a link that went there was used. ``is_own``: they gave it themselves, in
    the form, chat or mail that made them, or wrote from it with proof. See `IS_THEIRS`.
    """

    __tablename__ = "person_email"
    __table_args__ = (
        partial_index(
            "uq_person_email_main",
            "person_id",
            where="is_main",
            unique=True,
        ),
        sa.CheckConstraint("address = lower(address)", name="lower_case"),
    )
    address: Mapped[str] = mapped_column(sa.String(254), primary_key=True)
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    is_main: Mapped[bool] = mapped_column(default=False)
    proven_at: Mapped[datetime | None]
    is_own: Mapped[bool] = mapped_column(default=False)
    person: Mapped[Person] = relationship(back_populates="emails")

    @property
    def is_theirs(self) -> bool:
        """True where the person has shown that it is, whatever the team entered."""
        return self.proven_at is not None or self.is_own


# The same as a condition. While a person has such an address, no other lets anybody in as them.
IS_THEIRS = sa.or_(PersonEmail.proven_at.is_not(None), PersonEmail.is_own)
# The main address of a `Person` of the same statement; in the words of the partial index.
MAIN_ADDRESS = (
    sa.select(PersonEmail.address)
    .where(PersonEmail.person_id == Person.id, sa.text("person_email.is_main"))
    .scalar_subquery()
)


class LoginSession(Base):
    """A signed-in browser. The cookie holds a random key, the row its SHA-256."""

    __tablename__ = "login_session"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    key_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ip_address: Mapped[str] = mapped_column(sa.String(45), default="")
    user_agent: Mapped[str] = mapped_column(sa.String(300), default="")
    person: Mapped[Person] = relationship()


class LinkPurpose(StrEnum):
    """What a one-time link does."""

    FIRST_ADMIN = "first_admin"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105  (a kind of link)
    SIGN_IN = "sign_in"


LINK_LIFETIME = {
    LinkPurpose.FIRST_ADMIN: timedelta(days=7),
    LinkPurpose.INVITATION: timedelta(days=7),
    LinkPurpose.PASSWORD_RESET: timedelta(hours=1),
    LinkPurpose.SIGN_IN: timedelta(minutes=30),
}


class OneTimeLink(Base):
    """A link that works once. The link holds a random key, the row its SHA-256.

    ``address`` is the mail address that the link went to, proven by using it.
    """

    __tablename__ = "one_time_link"
    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[LinkPurpose]
    key_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    person_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    address: Mapped[str] = mapped_column(sa.String(254), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code that stands in for one's phone, once; the row holds its SHA-256."""

    __tablename__ = "recovery_code"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    used_at: Mapped[datetime | None]


class ApiToken(Base):
    """A bearer token of a person, shown once; the row holds its SHA-256.

    ``may_write`` False lets it read alone.
    """

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(sa.String(100))
    key_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    may_write: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship()
