"""All tables, and what a new desk starts with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KINDS: dict[str, Any] = {
    **dict.fromkeys(("priorities", "categories", "tiers", "groups", "sources"), sa.JSON()),
    "is_active": sa.Boolean(),
    "is_always": sa.Boolean(),
}

AUTO_RESPONSE = """Hello {{ requester.name }},

thank you for writing. Your ticket has the number {{ ticket.number }}, and a person \
answers it by {{ due }}.

If you want to add anything, just reply to this mail."""


def upgrade() -> None:
    op.create_table(
        "agent_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("distribution", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_group")),
        sa.UniqueConstraint("name", name=op.f("uq_agent_group_name")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("thing", sa.String(length=60), nullable=False),
        sa.Column("thing_id", sa.Integer(), nullable=True),
        sa.Column("thing_name", sa.String(length=300), nullable=False),
        sa.Column("field", sa.String(length=100), nullable=False),
        sa.Column("from_value", sa.Text(), nullable=True),
        sa.Column("to_value", sa.Text(), nullable=True),
        sa.Column("ip_address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entry_actor_id_id", ["actor_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_created_at"), ["created_at"], unique=False)

    op.create_table(
        "calendar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("is_always", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar")),
        sa.UniqueConstraint("name", name=op.f("uq_calendar_name")),
    )
    op.create_table(
        "category",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("key", name=op.f("uq_category_key")),
    )
    op.create_table(
        "custom_field",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind in ('text', 'number', 'date', 'checkbox', 'choice')",
            name=op.f("ck_custom_field_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_field")),
        sa.UniqueConstraint("key", name=op.f("uq_custom_field_key")),
    )
    op.create_table(
        "macro",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_macro")),
        sa.UniqueConstraint("name", name=op.f("uq_macro_name")),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("tier", sa.String(20), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("access", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("external_id", name=op.f("uq_organization_external_id")),
        sa.UniqueConstraint("name", name=op.f("uq_organization_name")),
    )
    op.create_table(
        "logo",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logo")),
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setting")),
    )
    op.create_table(
        "skill",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skill")),
        sa.UniqueConstraint("name", name=op.f("uq_skill_name")),
    )
    op.create_table(
        "sla_terms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_terms")),
        sa.UniqueConstraint("digest", name=op.f("uq_sla_terms_digest")),
    )
    op.create_table(
        "stamp",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stamp")),
    )
    op.create_table(
        "tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_name")),
    )
    op.create_table(
        "auto_response_template",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_auto_response_template_category_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auto_response_template")),
        sa.UniqueConstraint(
            "category_id", "language", name=op.f("uq_auto_response_template_category_id_language")
        ),
    )
    op.create_table(
        "calendar_interval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "start_minute >= 0 and start_minute < end_minute and end_minute <= 1440",
            name=op.f("ck_calendar_interval_minutes"),
        ),
        sa.CheckConstraint("weekday between 0 and 6", name=op.f("ck_calendar_interval_weekday")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.id"],
            name=op.f("fk_calendar_interval_calendar_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_interval")),
    )
    with op.batch_alter_table("calendar_interval", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_calendar_interval_calendar_id"), ["calendar_id"], unique=False
        )

    op.create_table(
        "category_skill",
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("skill_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_category_skill_category_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["skill.id"], name=op.f("fk_category_skill_skill_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("category_id", "skill_id", name=op.f("pk_category_skill")),
    )
    op.create_table(
        "custom_field_category",
        sa.Column("custom_field_id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_custom_field_category_category_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["custom_field_id"],
            ["custom_field.id"],
            name=op.f("fk_custom_field_category_custom_field_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "custom_field_id", "category_id", name=op.f("pk_custom_field_category")
        ),
    )
    op.create_table(
        "holiday",
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.id"],
            name=op.f("fk_holiday_calendar_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("calendar_id", "day", name=op.f("pk_holiday")),
    )
    op.create_table(
        "mailbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("category_id", sa.Integer(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("incoming", sa.String(20), nullable=False),
        sa.Column("imap_host", sa.String(length=253), nullable=False),
        sa.Column("imap_port", sa.Integer(), nullable=False),
        sa.Column("imap_security", sa.String(20), nullable=False),
        sa.Column("imap_user", sa.String(length=254), nullable=False),
        sa.Column("imap_auth", sa.String(20), nullable=False),
        sa.Column("imap_secret", sa.Text(), nullable=False),
        sa.Column("imap_folder", sa.String(length=255), nullable=False),
        sa.Column("imap_after", sa.String(20), nullable=False),
        sa.Column("imap_after_folder", sa.String(length=255), nullable=False),
        sa.Column("imap_takes_old", sa.Boolean(), nullable=False),
        sa.Column("smtp_url", sa.Text(), nullable=False),
        sa.Column("from_name", sa.String(length=200), nullable=False),
        sa.Column("dkim_selector", sa.String(length=63), nullable=False),
        sa.Column("dkim_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_mailbox_category_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["agent_group.id"], name=op.f("fk_mailbox_group_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox")),
        sa.UniqueConstraint("address", name=op.f("uq_mailbox_address")),
    )
    op.create_table(
        "organization_domain",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_organization_domain_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_organization_domain")),
    )
    with op.batch_alter_table("organization_domain", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_organization_domain_organization_id"), ["organization_id"], unique=False
        )

    op.create_table(
        "person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=50), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("tier", sa.String(20), nullable=True),
        sa.Column("language", sa.String(length=20), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("max_tickets", sa.Integer(), nullable=False),
        sa.Column("presence", sa.String(20), nullable=False),
        sa.Column("presence_is_chosen", sa.Boolean(), nullable=False),
        sa.Column("totp_secret", sa.String(length=300), nullable=True),
        sa.Column("totp_step", sa.Integer(), nullable=True),
        sa.Column("muted_notices", sa.JSON(), nullable=False),
        sa.Column("last_active_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("max_tickets >= 0", name=op.f("ck_person_max_tickets")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_person_organization_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"],
            ["person.id"],
            name=op.f("fk_person_merged_into_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(
            "ix_person_organization_id",
            ["organization_id"],
            unique=False,
            sqlite_where=sa.text("organization_id is not null"),
            postgresql_where=sa.text("organization_id is not null"),
        )
        batch_op.create_index(
            "uq_person_external_id",
            ["external_id"],
            unique=True,
            sqlite_where=sa.text("external_id is not null"),
            postgresql_where=sa.text("external_id is not null"),
        )
        batch_op.create_index("ix_person_role_presence", ["role", "presence"], unique=False)

    op.create_table(
        "sla_policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("calendar_id", sa.Integer(), nullable=False),
        sa.Column("priorities", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("first_response_minutes", sa.Integer(), nullable=False),
        sa.Column("next_response_minutes", sa.Integer(), nullable=True),
        sa.Column("resolution_minutes", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_response_minutes > 0", name=op.f("ck_sla_policy_first_response")),
        sa.CheckConstraint("resolution_minutes > 0", name=op.f("ck_sla_policy_resolution")),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["calendar.id"],
            name=op.f("fk_sla_policy_calendar_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_policy")),
        sa.UniqueConstraint("name", name=op.f("uq_sla_policy_name")),
    )
    op.create_table(
        "subcategory",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_subcategory_category_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subcategory")),
        sa.UniqueConstraint("category_id", "key", name=op.f("uq_subcategory_category_id_key")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_api_token_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_token_key_hash")),
    )
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_token_person_id"), ["person_id"], unique=False)

    op.create_table(
        "practice_progress",
        sa.Column("person_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("put_away_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_practice_progress_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_practice_progress")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_recovery_code_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
    )
    with op.batch_alter_table("recovery_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recovery_code_person_id"), ["person_id"], unique=False)

    op.create_table(
        "assignment_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("subcategory_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "kind <> 'specific_agent' or agent_id is not null",
            name=op.f("ck_assignment_rule_agent"),
        ),
        sa.CheckConstraint(
            "kind not in ('group', 'least_busy') or group_id is not null",
            name=op.f("ck_assignment_rule_group"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["person.id"],
            name=op.f("fk_assignment_rule_agent_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_assignment_rule_category_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["agent_group.id"],
            name=op.f("fk_assignment_rule_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subcategory_id"],
            ["subcategory.id"],
            name=op.f("fk_assignment_rule_subcategory_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_rule")),
    )
    with op.batch_alter_table("assignment_rule", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_assignment_rule_category_id"), ["category_id"], unique=False
        )

    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["agent_group.id"],
            name=op.f("fk_group_member_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_group_member_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "person_id", name=op.f("pk_group_member")),
    )
    with op.batch_alter_table("group_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_group_member_person_id"), ["person_id"], unique=False)

    op.create_table(
        "idempotency_key",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("location", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_idempotency_key_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("person_id", "key", name=op.f("pk_idempotency_key")),
    )
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_idempotency_key_created_at"), ["created_at"], unique=False
        )

    op.create_table(
        "inbound_email",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("return_path", sa.String(length=254), nullable=True),
        sa.Column("sender", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sender_check", sa.String(20), nullable=False),
        sa.Column("authentication", sa.String(length=300), nullable=False),
        sa.Column("is_released", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["mailbox.id"],
            name=op.f("fk_inbound_email_mailbox_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_email")),
        sa.UniqueConstraint(
            "mailbox_id",
            "message_id",
            "content_hash",
            name=op.f("uq_inbound_email_mailbox_id_message_id_content_hash"),
        ),
    )
    with op.batch_alter_table("inbound_email", schema=None) as batch_op:
        batch_op.create_index(
            "ix_inbound_email_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index("ix_inbound_email_state_id", ["state", "id"], unique=False)

    op.create_table(
        "raw_email",
        sa.Column("inbound_email_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_email_id"],
            ["inbound_email.id"],
            name=op.f("fk_raw_email_inbound_email_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inbound_email_id", name=op.f("pk_raw_email")),
    )
    op.create_table(
        "mail_receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("folder", sa.String(length=800), nullable=True),
        sa.Column("uid_validity", sa.BigInteger(), nullable=True),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("inbound_email_id", sa.Integer(), nullable=True),
        sa.Column("is_copy", sa.Boolean(), nullable=False),
        sa.Column("is_filed", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_email_id"],
            ["inbound_email.id"],
            name=op.f("fk_mail_receipt_inbound_email_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["mailbox.id"],
            name=op.f("fk_mail_receipt_mailbox_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_receipt")),
        sa.UniqueConstraint(
            "mailbox_id",
            "folder",
            "uid_validity",
            "uid",
            name=op.f("uq_mail_receipt_mailbox_id_folder_uid_validity_uid"),
        ),
    )
    with op.batch_alter_table("mail_receipt", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_mail_receipt_inbound_email_id"), ["inbound_email_id"], unique=False
        )
        batch_op.create_index(
            "ix_mail_receipt_open",
            ["mailbox_id"],
            unique=False,
            sqlite_where=sa.text("retry_at is not null or not is_filed"),
            postgresql_where=sa.text("retry_at is not null or not is_filed"),
        )

    op.create_table(
        "mailbox_poll",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=800), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=True),
        sa.Column("start_uid", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("is_idling", sa.Boolean(), nullable=False),
        sa.Column("server_count", sa.Integer(), nullable=True),
        sa.Column("missing_count", sa.Integer(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["mailbox.id"],
            name=op.f("fk_mailbox_poll_mailbox_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_mailbox_poll")),
    )

    op.create_table(
        "login_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_login_session_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_session")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_login_session_key_hash")),
    )
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_login_session_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_login_session_person_id"), ["person_id"], unique=False)

    op.create_table(
        "one_time_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_one_time_link_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_one_time_link_key_hash")),
    )
    with op.batch_alter_table("one_time_link", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_one_time_link_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_one_time_link_person_id"), ["person_id"], unique=False)

    op.create_table(
        "outbound_email",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("recipient_name", sa.String(length=200), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("in_reply_to", sa.String(length=255), nullable=False),
        sa.Column("reference_ids", sa.Text(), nullable=False),
        sa.Column("reply_token", sa.String(length=64), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("comment_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["mailbox.id"],
            name=op.f("fk_outbound_email_mailbox_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_email")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbound_email_message_id")),
    )
    with op.batch_alter_table("outbound_email", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbound_email_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "ix_outbound_email_undelivered",
            ["ticket_id"],
            unique=False,
            sqlite_where=sa.text("state in ('failed', 'held_back')"),
            postgresql_where=sa.text("state in ('failed', 'held_back')"),
        )
        batch_op.create_index(
            "ix_outbound_email_recipient_created_at",
            ["recipient", "kind", "created_at"],
            unique=False,
        )
        batch_op.create_index("ix_outbound_email_state_id", ["state", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_outbound_email_ticket_id"), ["ticket_id"], unique=False
        )

    op.create_table(
        "sending_outage",
        sa.Column("server", sa.String(length=300), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_sending_outage")),
    )

    op.create_table(
        "told_alarm",
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_told_alarm")),
    )

    op.create_table(
        "watch",
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_watch")),
    )

    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("with_notes", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=False),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_because", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.JSON(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook.id"],
            name=op.f("fk_webhook_delivery_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("message_id", name=op.f("uq_webhook_delivery_message_id")),
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index(
            "ix_webhook_delivery_due",
            ["webhook_id", "due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index(
            "ix_webhook_delivery_in_order",
            ["ticket_id", "webhook_id", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index("ix_webhook_delivery_webhook_id_id", ["webhook_id", "id"])
        batch_op.create_index(batch_op.f("ix_webhook_delivery_created_at"), ["created_at"])

    op.create_table(
        "endpoint_health",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_endpoint_health")),
    )
    op.create_table(
        "context_answer",
        sa.Column("ticket_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_context_answer")),
    )
    with op.batch_alter_table("context_answer", schema=None) as batch_op:
        batch_op.create_index(
            "ix_context_answer_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("due_at is not null"),
            postgresql_where=sa.text("due_at is not null"),
        )
        batch_op.create_index(batch_op.f("ix_context_answer_tried_at"), ["tried_at"])

    op.create_table(
        "failing_address",
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outbound_email_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbound_email_id"],
            ["outbound_email.id"],
            name=op.f("fk_failing_address_outbound_email_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_failing_address")),
    )
    with op.batch_alter_table("failing_address", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_failing_address_outbound_email_id"), ["outbound_email_id"], unique=False
        )

    op.create_table(
        "blocked_sender",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["person.id"],
            name=op.f("fk_blocked_sender_created_by_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_sender")),
        sa.UniqueConstraint("pattern", name=op.f("uq_blocked_sender_pattern")),
    )
    op.create_table(
        "person_email",
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("is_main", sa.Boolean(), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.CheckConstraint("address = lower(address)", name=op.f("ck_person_email_lower_case")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_email_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_person_email")),
    )
    with op.batch_alter_table("person_email", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_email_person_id"), ["person_id"], unique=False)
        batch_op.create_index(
            "uq_person_email_main",
            ["person_id"],
            unique=True,
            sqlite_where=sa.text("is_main"),
            postgresql_where=sa.text("is_main"),
        )

    op.create_table(
        "person_skill",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("skill_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_skill_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["skill.id"], name=op.f("fk_person_skill_skill_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "skill_id", name=op.f("pk_person_skill")),
    )
    with op.batch_alter_table("person_skill", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_skill_skill_id"), ["skill_id"], unique=False)

    op.create_table(
        "sla_escalation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(length=20), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("value", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["sla_policy.id"],
            name=op.f("fk_sla_escalation_policy_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_escalation")),
    )
    with op.batch_alter_table("sla_escalation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sla_escalation_policy_id"), ["policy_id"], unique=False
        )

    op.create_table(
        "subcategory_skill",
        sa.Column("subcategory_id", sa.Integer(), nullable=False),
        sa.Column("skill_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["skill_id"],
            ["skill.id"],
            name=op.f("fk_subcategory_skill_skill_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subcategory_id"],
            ["subcategory.id"],
            name=op.f("fk_subcategory_skill_subcategory_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subcategory_id", "skill_id", name=op.f("pk_subcategory_skill")),
    )
    op.create_table(
        "ticket",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=12), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("description_html", sa.Text(), nullable=True),
        sa.Column("description_quoted", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("priority_is_computed", sa.Boolean(), nullable=False),
        sa.Column("priority_score", sa.Integer(), nullable=True),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("subcategory_id", sa.Integer(), nullable=True),
        sa.Column("requester_id", sa.Integer(), nullable=False),
        sa.Column("assignee_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("follow_up_of_id", sa.Integer(), nullable=True),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("channel", sa.String(length=100), nullable=False),
        sa.Column("sender_check", sa.String(20), nullable=False),
        sa.Column("forwarded_from", sa.String(length=254), nullable=False),
        sa.Column("forwarded_name", sa.String(length=200), nullable=False),
        sa.Column("custom_fields", sa.JSON(), nullable=False),
        sa.Column("preview", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at_is_manual", sa.Boolean(), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_warn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_policy_id", sa.Integer(), nullable=True),
        sa.Column("first_response_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_response_seconds", sa.Integer(), nullable=True),
        sa.Column("first_response_business_seconds", sa.Integer(), nullable=True),
        sa.Column("resolution_seconds", sa.Integer(), nullable=True),
        sa.Column("resolution_business_seconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(subject) between 1 and 500", name=op.f("ck_ticket_subject")),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["person.id"], name=op.f("fk_ticket_assignee_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["category.id"],
            name=op.f("fk_ticket_category_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["deleted_by_id"],
            ["person.id"],
            name=op.f("fk_ticket_deleted_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["follow_up_of_id"],
            ["ticket.id"],
            name=op.f("fk_ticket_follow_up_of_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"],
            ["ticket.id"],
            name=op.f("fk_ticket_merged_into_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["agent_group.id"], name=op.f("fk_ticket_group_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailbox.id"], name=op.f("fk_ticket_mailbox_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"],
            ["person.id"],
            name=op.f("fk_ticket_requester_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["sla_policy_id"],
            ["sla_policy.id"],
            name=op.f("fk_ticket_sla_policy_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["subcategory_id"],
            ["subcategory.id"],
            name=op.f("fk_ticket_subcategory_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
        sa.UniqueConstraint("number", name=op.f("uq_ticket_number")),
    )
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ticket_active",
            ["priority", "id", "group_id", "status", "deleted_at"],
            unique=False,
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.create_index(
            "ix_ticket_active_assignee",
            ["assignee_id", "priority", "id", "group_id", "status", "deleted_at"],
            unique=False,
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.create_index(
            "ix_ticket_active_group",
            ["group_id", "priority", "id", "status", "deleted_at"],
            unique=False,
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.create_index(
            "ix_ticket_active_next_due",
            ["next_due_at", "id", "group_id", "status", "deleted_at"],
            unique=False,
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.create_index(
            "ix_ticket_active_status",
            ["status", "priority", "id", "group_id", "deleted_at"],
            unique=False,
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.create_index("ix_ticket_assignee_id_id", ["assignee_id", "id"], unique=False)
        batch_op.create_index("ix_ticket_category_id_id", ["category_id", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_created_at_id",
            ["created_at", "id", "group_id", "deleted_at", "merged_into_id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_ticket_merged_into",
            ["merged_into_id"],
            unique=False,
            sqlite_where=sa.text("merged_into_id is not null"),
            postgresql_where=sa.text("merged_into_id is not null"),
        )
        batch_op.create_index("ix_ticket_due_at_id", ["due_at", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_follow_up_of_id",
            ["follow_up_of_id"],
            unique=False,
            sqlite_where=sa.text("follow_up_of_id is not null"),
            postgresql_where=sa.text("follow_up_of_id is not null"),
        )
        batch_op.create_index(
            "uq_ticket_external_id",
            ["external_id"],
            unique=True,
            sqlite_where=sa.text("external_id is not null"),
            postgresql_where=sa.text("external_id is not null"),
        )
        batch_op.create_index(
            "ix_ticket_gone",
            ["group_id"],
            unique=False,
            sqlite_where=sa.text("deleted_at is not null or merged_into_id is not null"),
            postgresql_where=sa.text("deleted_at is not null or merged_into_id is not null"),
        )
        batch_op.create_index("ix_ticket_group_id_id", ["group_id", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_load",
            ["assignee_id", "status", "deleted_at"],
            unique=False,
            sqlite_where=sa.text("status in ('new', 'open', 'in_progress') and deleted_at is null"),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress') and deleted_at is null"
            ),
        )
        batch_op.create_index("ix_ticket_priority_id", ["priority", "id"], unique=False)
        batch_op.create_index("ix_ticket_requester_id_id", ["requester_id", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_resolved",
            ["status", "resolved_at"],
            unique=False,
            sqlite_where=sa.text("status = 'resolved'"),
            postgresql_where=sa.text("status = 'resolved'"),
        )
        batch_op.create_index(
            "ix_ticket_finished",
            [
                "finished_at",
                "created_at",
                "status",
                "priority",
                "category_id",
                "assignee_id",
                "group_id",
                "source",
                "requester_id",
                "closed_at",
                "resolution_seconds",
                "resolution_business_seconds",
            ],
            unique=False,
            sqlite_where=sa.text(
                "finished_at is not null and deleted_at is null and merged_into_id is null"
            ),
            postgresql_where=sa.text(
                "finished_at is not null and deleted_at is null and merged_into_id is null"
            ),
        )
        batch_op.create_index(
            "ix_ticket_answered",
            [
                "first_response_at",
                "priority",
                "category_id",
                "assignee_id",
                "group_id",
                "source",
                "requester_id",
                "first_response_seconds",
                "first_response_business_seconds",
            ],
            unique=False,
            sqlite_where=sa.text(
                "first_response_at is not null and deleted_at is null and merged_into_id is null"
            ),
            postgresql_where=sa.text(
                "first_response_at is not null and deleted_at is null and merged_into_id is null"
            ),
        )
        batch_op.create_index("ix_ticket_status_id", ["status", "id"], unique=False)
        batch_op.create_index("ix_ticket_updated_at_id", ["updated_at", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_waiting_requester",
            ["requester_id", "status", "id", "deleted_at"],
            unique=False,
            sqlite_where=sa.text("status = 'pending' and deleted_at is null"),
            postgresql_where=sa.text("status = 'pending' and deleted_at is null"),
        )

    op.create_table(
        "view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["agent_group.id"], name=op.f("fk_view_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["person.id"], name=op.f("fk_view_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_view")),
        sa.UniqueConstraint("group_id", "name", name=op.f("uq_view_group_id_name")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_view_owner_id_name")),
    )
    with op.batch_alter_table("view", schema=None) as batch_op:
        batch_op.create_index(
            "uq_view_name_shared",
            ["name"],
            unique=True,
            sqlite_where=sa.text("owner_id is null and group_id is null"),
            postgresql_where=sa.text("owner_id is null and group_id is null"),
        )

    op.create_table(
        "comment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("author_kind", sa.String(20), nullable=False),
        sa.Column("visibility", sa.String(20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("quoted", sa.Text(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("is_quiet", sa.Boolean(), nullable=False),
        sa.Column("sender_check", sa.String(20), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("inbound_email_id", sa.Integer(), nullable=True),
        sa.Column("origin_ticket_id", sa.Integer(), nullable=True),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["origin_ticket_id"],
            ["ticket.id"],
            name=op.f("fk_comment_origin_ticket_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["person.id"], name=op.f("fk_comment_author_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["inbound_email_id"],
            ["inbound_email.id"],
            name=op.f("fk_comment_inbound_email_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_comment_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
    )
    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_comment_author_id",
            ["author_id"],
            unique=False,
            sqlite_where=sa.text("author_id is not null"),
            postgresql_where=sa.text("author_id is not null"),
        )
        batch_op.create_index(
            "uq_comment_ticket_id_inbound_email_id",
            ["ticket_id", "inbound_email_id"],
            unique=True,
            sqlite_where=sa.text("inbound_email_id is not null"),
            postgresql_where=sa.text("inbound_email_id is not null"),
        )
        batch_op.create_index(
            "ix_comment_ticket_id_created_at_id", ["ticket_id", "created_at", "id"], unique=False
        )

    op.create_table(
        "reply_undo",
        sa.Column("comment_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["comment.id"],
            name=op.f("fk_reply_undo_comment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("comment_id", name=op.f("pk_reply_undo")),
    )
    with op.batch_alter_table("reply_undo", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reply_undo_until"), ["until"], unique=False)

    op.create_table(
        "reply_draft",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_reply_draft_person_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["ticket.id"],
            name=op.f("fk_reply_draft_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("ticket_id", "person_id", name=op.f("pk_reply_draft")),
    )
    with op.batch_alter_table("reply_draft", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reply_draft_person_id"), ["person_id"], unique=False)

    op.create_table(
        "decision_record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["ticket.id"],
            name=op.f("fk_decision_record_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_record")),
    )
    with op.batch_alter_table("decision_record", schema=None) as batch_op:
        batch_op.create_index("ix_decision_record_ticket_id_id", ["ticket_id", "id"], unique=False)

    op.create_table(
        "held_email",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("inbound_email_id", sa.Integer(), nullable=False),
        sa.Column("from_address", sa.String(length=254), nullable=False),
        sa.Column("from_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["person.id"],
            name=op.f("fk_held_email_decided_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["inbound_email_id"],
            ["inbound_email.id"],
            name=op.f("fk_held_email_inbound_email_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_held_email_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_email")),
        sa.UniqueConstraint(
            "ticket_id", "inbound_email_id", name=op.f("uq_held_email_ticket_id_inbound_email_id")
        ),
    )
    with op.batch_alter_table("held_email", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_held_email_inbound_email_id"), ["inbound_email_id"], unique=False
        )
        batch_op.create_index(
            "ix_held_email_waiting",
            ["ticket_id"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )

    op.create_table(
        "participant",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_participant_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_participant_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_id", "person_id", name=op.f("pk_participant")),
    )
    with op.batch_alter_table("participant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participant_person_id"), ["person_id"], unique=False)

    op.create_table(
        "sla_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(20), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("terms_id", sa.Integer(), nullable=False),
        sa.Column("target_minutes", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pauses", sa.JSON(), nullable=False),
        sa.Column("left_seconds", sa.Integer(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["terms_id"], ["sla_terms.id"], name=op.f("fk_sla_clock_terms_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_sla_clock_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_clock")),
        sa.UniqueConstraint(
            "ticket_id", "target", "cycle", name=op.f("uq_sla_clock_ticket_id_target_cycle")
        ),
    )
    with op.batch_alter_table("sla_clock", schema=None) as batch_op:
        batch_op.create_index(
            "ix_sla_clock_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("due_at is not null and breached_at is null"),
            postgresql_where=sa.text("due_at is not null and breached_at is null"),
        )
        batch_op.create_index(
            "ix_sla_clock_met",
            ["stopped_at", "target", "ticket_id"],
            unique=False,
            sqlite_where=sa.text("state = 'met'"),
            postgresql_where=sa.text("state = 'met'"),
        )
        batch_op.create_index(
            "ix_sla_clock_missed",
            ["breached_at", "target", "ticket_id"],
            unique=False,
            sqlite_where=sa.text("breached_at is not null"),
            postgresql_where=sa.text("breached_at is not null"),
        )
        batch_op.create_index(
            "ix_sla_clock_warn",
            ["warn_at"],
            unique=False,
            sqlite_where=sa.text("warn_at is not null and warned_at is null"),
            postgresql_where=sa.text("warn_at is not null and warned_at is null"),
        )

    op.create_table(
        "ticket_access",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
            name=op.f("fk_ticket_access_person_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["ticket.id"],
            name=op.f("fk_ticket_access_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_access")),
        sa.UniqueConstraint(
            "ticket_id", "person_id", name=op.f("uq_ticket_access_ticket_id_person_id")
        ),
    )
    with op.batch_alter_table("ticket_access", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ticket_access_person_id"), ["person_id"], unique=False)

    op.create_table(
        "reopening",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("was_status", sa.String(20), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_reopening_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reopening")),
    )
    with op.batch_alter_table("reopening", schema=None) as batch_op:
        batch_op.create_index("ix_reopening_reopened_at", ["reopened_at", "finished_at"])
        batch_op.create_index(batch_op.f("ix_reopening_finished_at"), ["finished_at"])
        batch_op.create_index(batch_op.f("ix_reopening_ticket_id"), ["ticket_id"])

    op.create_table(
        "ticket_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("from_value", sa.Text(), nullable=True),
        sa.Column("to_value", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["person.id"], name=op.f("fk_ticket_event_actor_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_event_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_event")),
    )
    with op.batch_alter_table("ticket_event", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ticket_event_actor_id",
            ["actor_id"],
            unique=False,
            sqlite_where=sa.text("actor_id is not null"),
            postgresql_where=sa.text("actor_id is not null"),
        )
        batch_op.create_index("ix_ticket_event_ticket_id_id", ["ticket_id", "id"], unique=False)
        batch_op.create_index(
            "ix_ticket_event_status",
            ["ticket_id", "created_at", "from_value"],
            unique=False,
            sqlite_where=sa.text("kind = 'status'"),
            postgresql_where=sa.text("kind = 'status'"),
        )

    op.create_table(
        "ticket_message_id",
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["ticket.id"],
            name=op.f("fk_ticket_message_id_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", "ticket_id", name=op.f("pk_ticket_message_id")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("ticket_message_id", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_ticket_message_id_ticket_id"), ["ticket_id"], unique=False
        )

    op.create_table(
        "ticket_tag",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tag.id"], name=op.f("fk_ticket_tag_tag_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_tag_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_id", "tag_id", name=op.f("pk_ticket_tag")),
    )
    with op.batch_alter_table("ticket_tag", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ticket_tag_tag_id_ticket_id", ["tag_id", "ticket_id"], unique=False
        )

    op.create_table(
        "ticket_merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("survivor_id", sa.Integer(), nullable=False),
        sa.Column("comment_id", sa.Integer(), nullable=True),
        sa.Column("was_status", sa.String(20), nullable=False),
        sa.Column("was_closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("brought", sa.JSON(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["comment.id"],
            name=op.f("fk_ticket_merge_comment_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["survivor_id"],
            ["ticket.id"],
            name=op.f("fk_ticket_merge_survivor_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_merge_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_merge")),
    )
    with op.batch_alter_table("ticket_merge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ticket_merge_survivor_id"), ["survivor_id"])
        batch_op.create_index(batch_op.f("ix_ticket_merge_ticket_id"), ["ticket_id"])

    op.create_table(
        "person_merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("survivor_id", sa.Integer(), nullable=False),
        sa.Column("merged_by_id", sa.Integer(), nullable=True),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_by_id"],
            ["person.id"],
            name=op.f("fk_person_merge_merged_by_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_merge_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["survivor_id"],
            ["person.id"],
            name=op.f("fk_person_merge_survivor_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_merge")),
    )
    with op.batch_alter_table("person_merge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_merge_person_id"), ["person_id"])
        batch_op.create_index(batch_op.f("ix_person_merge_survivor_id"), ["survivor_id"])

    op.create_table(
        "attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("comment_id", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("is_inline", sa.Boolean(), nullable=False),
        sa.Column("content_id", sa.String(length=255), nullable=False),
        sa.Column("uploader_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["comment.id"],
            name=op.f("fk_attachment_comment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_attachment_ticket_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["uploader_id"],
            ["person.id"],
            name=op.f("fk_attachment_uploader_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attachment_comment_id"), ["comment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_attachment_sha256"), ["sha256"], unique=False)
        batch_op.create_index("ix_attachment_ticket_id_id", ["ticket_id", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_attachment_uploader_id"), ["uploader_id"], unique=False
        )

    op.create_table(
        "article_category",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_category")),
        sa.UniqueConstraint("name", name=op.f("uq_article_category_name")),
    )
    op.create_table(
        "article",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("audience", sa.String(20), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["person.id"], name=op.f("fk_article_author_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["article_category.id"],
            name=op.f("fk_article_category_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["ticket.id"], name=op.f("fk_article_ticket_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article")),
    )
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.create_index("ix_article_category_id_title_id", ["category_id", "title", "id"])
        batch_op.create_index("ix_article_updated_at_id", ["updated_at", "id"])

    op.create_table(
        "article_picture",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_article_picture_article_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_picture")),
        sa.UniqueConstraint("article_id", "name", name=op.f("uq_article_picture_article_id_name")),
    )
    with op.batch_alter_table("article_picture", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_article_picture_sha256"), ["sha256"])

    op.create_table(
        "article_revision",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("summary", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_article_revision_article_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["person.id"],
            name=op.f("fk_article_revision_author_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("article_id", "version", name=op.f("pk_article_revision")),
    )
    op.create_table(
        "article_vote",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("is_helpful", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["article.id"],
            name=op.f("fk_article_vote_article_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("article_id", "visitor", name=op.f("pk_article_vote")),
    )

    _keep_audit_log()
    _seed()
    _search_index()
    _search_articles()


def _keep_audit_log() -> None:
    """Let nobody change or remove a line of the audit log, whatever runs here."""
    execute = op.get_bind().exec_driver_sql
    words = "'the audit log is append-only'"
    if op.get_bind().dialect.name == "sqlite":
        for what in ("update", "delete"):
            execute(
                f"create trigger audit_entry_{what} before {what} on audit_entry"
                f" begin select raise(abort, {words}); end"
            )
        return
    execute(
        "create function audit_entry_refuse() returns trigger language plpgsql as"
        f" $$ begin raise exception {words}; end $$"
    )
    execute(
        "create trigger audit_entry_keep before update or delete or truncate on audit_entry"
        " for each statement execute function audit_entry_refuse()"
    )


def _seed() -> None:
    """Categories, calendar, policies, templates: rows that an admin may change."""

    def rows(name: str, *found: dict[str, Any]) -> None:
        columns = {key: sa.column(key, KINDS.get(key)) for row in found for key in row}
        op.bulk_insert(sa.table(name, *columns.values()), [dict(row) for row in found])

    rows("stamp", {"id": 1, "value": 1})
    categories = (
        ("general", "General question"),
        ("billing", "Billing"),
        ("technical", "Technical problem"),
        ("account", "My account"),
        ("feature_request", "An idea"),
        ("bug", "A bug"),
    )
    rows(
        "category",
        *(
            {"id": n, "key": key, "name": name, "position": n, "is_active": True}
            for n, (key, name) in enumerate(categories, start=1)
        ),
    )
    rows("calendar", {"id": 1, "name": "24 x 7", "time_zone": "UTC", "is_always": True})
    targets = (("critical", 1, 4), ("high", 4, 8), ("normal", 8, 24), ("low", 24, 72))
    rows(
        "sla_policy",
        *(
            {
                "id": n,
                "name": f"{priority.capitalize()} priority",
                "description": "",
                "position": n,
                "is_active": True,
                "calendar_id": 1,
                "priorities": [priority],
                "categories": [],
                "tiers": [],
                "groups": [],
                "sources": [],
                "first_response_minutes": response * 60,
                "resolution_minutes": resolution * 60,
            }
            for n, (priority, response, resolution) in enumerate(targets, start=1)
        ),
    )
    rows(
        "auto_response_template",
        *(
            {
                "category_id": n,
                "language": "en",
                "subject": "We have your ticket: {{ ticket.subject }}",
                "body": AUTO_RESPONSE,
                "is_active": True,
            }
            for n, _ in enumerate(categories, start=1)
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        for name in ("category", "calendar", "sla_policy"):
            last = sa.select(sa.func.max(sa.table(name, sa.column("id")).c.id)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(name, "id")
            op.get_bind().execute(sa.select(sa.func.setval(sequence, last)))


# Full text. One document for each ticket that is not deleted, and one of its internal notes, kept
# apart so that a customer's search cannot touch them. The database itself keeps them in step. A
# migration that makes one of these tables anew (SQLite's batch mode) must make its triggers anew.
#
# A document holds the description (as much as _MOST of it) and the newest comments, _MOST of them
# and of each, so that a comment on a ticket with thousands of them costs no more than that. What
# the desk writes by itself is left out: its words are in every ticket. So many files are known by
# their names, too.
_MOST_COMMENTS = 100
_MOST_FILES = 100
_MOST_OF_ONE = 10_000
_MOST = 100_000
_PEOPLES = "author_kind <> 'system'"


def _comments(visibility: str, but: str = "0") -> str:
    """SQL: the comments of ticket ``t``, newest first, without the one whose id is *but*."""
    concat = "group_concat" if op.get_bind().dialect.name == "sqlite" else "string_agg"
    newest = (
        f"select substr(body, 1, {_MOST_OF_ONE}) as body from comment"
        f" where ticket_id = t.id and visibility = '{visibility}' and {_PEOPLES} and id <> {but}"
        f" order by created_at desc, id desc limit {_MOST_COMMENTS}"
    )
    return f"substr((select {concat}(body, ' ') from ({newest}) as newest), 1, {_MOST})"


def _files(visibility: str, but: str = "0") -> str:
    """SQL: names of the files of ticket ``t``, newest first, without the one whose id is *but*.

    Pictures within a text have names that nobody gave them.
    """
    concat = "group_concat" if op.get_bind().dialect.name == "sqlite" else "string_agg"
    own = "f.comment_id is null or" if visibility == "public" else ""
    newest = (
        "select f.filename from attachment f left join comment c on c.id = f.comment_id"
        f" where f.ticket_id = t.id and not f.is_inline and f.id <> {but}"
        f" and ({own} c.ticket_id = t.id and c.visibility = '{visibility}')"
        f" order by f.id desc limit {_MOST_FILES}"
    )
    return f"coalesce((select {concat}(filename, ' ') from ({newest}) as files), '')"


def _requester(but: str = "''") -> str:
    """SQL: name and addresses of the requester of ``t``, without the address *but*."""
    concat = "group_concat" if op.get_bind().dialect.name == "sqlite" else "string_agg"
    return (
        "(select coalesce(p.name, '') || ' ' || coalesce((select"
        f" {concat}(e.address, ' ') from person_email e where e.person_id = p.id"
        f" and e.address <> {but}), '') from person p where p.id = t.requester_id)"
    )


def _document(comment: str = "0", address: str = "''", file: str = "0") -> str:
    """SQL: the public documents, without one comment, address or file; add a condition on ``t``."""
    return (
        f"select t.id, t.number, t.subject, {_requester(address)} as requester,"
        f" substr(t.description, 1, {_MOST}) || ' ' || coalesce({_comments('public', comment)}, '')"
        f" || ' ' || {_files('public', file)} as words from ticket t where t.deleted_at is null"
    )


def _notes(comment: str = "0", file: str = "0") -> str:
    """SQL: the notes of each ticket that has any, without one; add a condition on ``t``."""
    words = _comments("internal", comment)
    return (
        f"select t.id, {words} || ' ' || {_files('internal', file)} as words from ticket t"
        f" where t.deleted_at is null and {words} is not null"
    )


_COLUMNS = "number, subject, requester, words"


def _out(document: str, which: str) -> str:
    """SQLite: take the documents of some tickets out, as *document* words them."""
    return (
        f"insert into search_ticket (search_ticket, rowid, {_COLUMNS})"
        f" select 'delete', id, {_COLUMNS} from ({document} and {which});"
    )


def _put(which: str) -> str:
    """SQLite: put the documents of some tickets in."""
    rows = f"select * from ({_document()} and {which})"
    return f"insert into search_ticket (rowid, {_COLUMNS}) {rows};"


def _note_out(document: str, which: str) -> str:
    return (
        "insert into search_note (search_note, rowid, words)"
        f" select 'delete', id, words from ({document} and {which});"
    )


def _note_put(which: str) -> str:
    return f"insert into search_note (rowid, words) select * from ({_notes()} and {which});"


def _sqlite_trigger(name: str, event: str, *statements: str, when: str = "") -> None:
    condition = f" when {when}" if when else ""
    op.get_bind().exec_driver_sql(
        f"create trigger search_{name} {event} for each row{condition}"
        f" begin {' '.join(statements)} end"
    )


def _search_index_sqlite() -> None:
    """FTS5 over two views: the texts are not stored again, only the index is.

    To take a document out, FTS5 wants the words that went in. So each trigger names the words
    before and after its change: of an insert both afterwards, the new row left out of the first,
    for an insert that ends in "on conflict do nothing" has run its before triggers.
    """
    execute = op.get_bind().exec_driver_sql
    execute(f"create view search_ticket_words as {_document()}")
    execute(f"create view search_note_words as {_notes()}")
    options = "content_rowid='id', tokenize=\"unicode61 remove_diacritics 2\", prefix='2 3 4'"
    for name, columns in (("search_ticket", _COLUMNS), ("search_note", "words")):
        fts = f"fts5({columns}, content='{name}_words', {options})"
        execute(f"create virtual table {name} using {fts}")
        # Housekeeping merges (app/search/upkeep.py), not whoever opens a ticket; so many small
        # segments are merged at once only where none was for too long.
        for option, value in (("automerge", 0), ("crisismerge", 64)):
            execute(f"insert into {name} ({name}, rank) values ('{option}', {value})")

    _sqlite_trigger("ticket_insert", "after insert on ticket", _put("t.id = new.id"))
    before = _out(_document(), "t.id = old.id") + _note_out(_notes(), "t.id = old.id")
    after = _put("t.id = new.id") + _note_put("t.id = new.id")
    _sqlite_trigger("ticket_delete", "before delete on ticket", before)
    fields = "number, subject, description, requester_id, deleted_at"
    changed = " or ".join(f"old.{name} is not new.{name}" for name in fields.split(", "))
    _sqlite_trigger("ticket_before", f"before update of {fields} on ticket", before, when=changed)
    _sqlite_trigger("ticket_after", f"after update of {fields} on ticket", after, when=changed)

    public, internal = (
        f"t.id = new.ticket_id and new.visibility = '{word}'" for word in ("public", "internal")
    )
    _sqlite_trigger(
        "comment_insert",
        "after insert on comment",
        _out(_document(comment="new.id"), public) + _put(public),
        _note_out(_notes(comment="new.id"), internal) + _note_put(internal),
        when=f"new.{_PEOPLES}",
    )
    moved = "t.id in (old.ticket_id, new.ticket_id)"
    updated = "update of body, visibility, ticket_id"
    for name, event, which in (
        ("update", updated, moved),
        ("delete", "delete", "t.id = old.ticket_id"),
    ):
        before = _out(_document(), which) + _note_out(_notes(), which)
        after = _put(which) + _note_put(which)
        _sqlite_trigger(f"comment_before_{name}", f"before {event} on comment", before)
        _sqlite_trigger(f"comment_after_{name}", f"after {event} on comment", after)
    _search_files_sqlite()
    _search_requesters_sqlite()


def _search_files_sqlite() -> None:
    """Names of files. Where a comment takes its files along, its own triggers see to them."""
    is_there = (
        "(old.comment_id is null or exists (select 1 from comment where id = old.comment_id))"
    )
    public = "t.id = new.ticket_id and new.comment_id is null or t.id = (select c.ticket_id"
    public += " from comment c where c.id = new.comment_id and c.visibility = 'public')"
    internal = "t.id = (select c.ticket_id from comment c"
    internal += " where c.id = new.comment_id and c.visibility = 'internal')"
    _sqlite_trigger(
        "file_insert",
        "after insert on attachment",
        _out(_document(file="new.id"), f"({public})") + _put(f"({public})"),
        _note_out(_notes(file="new.id"), internal) + _note_put(internal),
        when="not new.is_inline",
    )
    fields = "filename, is_inline, ticket_id, comment_id"
    changed = " or ".join(f"old.{name} is not new.{name}" for name in fields.split(", "))
    moved = "t.id in (old.ticket_id, new.ticket_id)"
    for name, event, which, when in (
        ("update", f"update of {fields}", moved, changed),
        ("delete", "delete", "t.id = old.ticket_id", is_there),
    ):
        before = _out(_document(), which) + _note_out(_notes(), which)
        after = _put(which) + _note_put(which)
        _sqlite_trigger(f"file_before_{name}", f"before {event} on attachment", before, when=when)
        _sqlite_trigger(f"file_after_{name}", f"after {event} on attachment", after, when=when)


def _search_requesters_sqlite() -> None:
    """Names and addresses: a new person has no tickets yet, so most of these do nothing."""
    renamed, whose = "old.name is not new.name", "t.requester_id = new.id"
    event = "update of name on person"
    _sqlite_trigger("person_before", f"before {event}", _out(_document(), whose), when=renamed)
    _sqlite_trigger("person_after", f"after {event}", _put(whose), when=renamed)
    whose = "t.requester_id = new.person_id"
    without = _out(_document(address="new.address"), whose)
    _sqlite_trigger("email_insert", "after insert on person_email", without, _put(whose))
    both = "t.requester_id in (old.person_id, new.person_id)"
    for name, event, whose in (
        ("update", "update of address, person_id", both),
        ("delete", "delete", "t.requester_id = old.person_id"),
    ):
        on = f"{event} on person_email"
        _sqlite_trigger(f"email_before_{name}", f"before {on}", _out(_document(), whose))
        _sqlite_trigger(f"email_after_{name}", f"after {on}", _put(whose))


def _search_index_postgresql() -> None:
    """tsvector columns. Accents and signs are folded away first, as SQLite's tokenizer does."""
    execute = op.get_bind().exec_driver_sql
    execute(
        """
        create function search_fold(words text) returns text language sql immutable parallel safe
        return regexp_replace(
            regexp_replace(normalize(words, NFKD), U&'[\\0300-\\036F]', '', 'g'),
            '[][!-/:-@\\\\^_`{-~]+', ' ', 'g')
        """
    )
    execute(
        """
        create table search_ticket (
            ticket_id integer primary key references ticket (id) on delete cascade,
            document tsvector not null,
            notes tsvector not null default ''
        )
        """
    )
    execute("create index search_ticket_document on search_ticket using gin (document)")
    execute("create index search_ticket_notes on search_ticket using gin (notes)")

    def vector(words: str, weight: str) -> str:
        return f"setweight(to_tsvector('simple', search_fold({words})), '{weight}')"

    document = " || ".join(
        (vector("number || ' ' || subject", "A"), vector("requester", "B"), vector("words", "D"))
    )
    execute(
        f"""
        create function search_put(which integer[]) returns void language plpgsql as $$
        begin
            -- The next statement sees what others, for whom this waits, have just committed.
            perform 1 from search_ticket where ticket_id = any(which) for update;
            insert into search_ticket (ticket_id, document)
            select id, {document} from ({_document()} and t.id = any(which)) as found
            on conflict (ticket_id) do update set document = excluded.document;
            delete from search_ticket where ticket_id = any(which)
            and exists (select 1 from ticket t where t.id = ticket_id and t.deleted_at is not null);
        end $$
        """
    )
    execute(
        f"""
        create function search_put_notes(which integer) returns void language plpgsql as $$
        begin
            perform 1 from search_ticket where ticket_id = which for update;
            update search_ticket set notes = coalesce((
                select {vector("words", "D")} from ({_notes()} and t.id = which) as found
            ), '') where ticket_id = which;
        end $$
        """
    )

    def trigger(name: str, table: str, event: str, body: str, when: str = "") -> None:
        execute(
            f"create function search_{name}() returns trigger language plpgsql as"
            f" $$ begin {body} return null; end $$"
        )
        condition = f" when ({when})" if when else ""
        execute(
            f"create trigger search_{name} after {event} on {table} for each row{condition}"
            f" execute function search_{name}()"
        )

    put = "perform search_put(array[{}]);"
    trigger("ticket_insert", "ticket", "insert", put.format("new.id"))
    fields = "number, subject, description, requester_id, deleted_at"
    changed = " or ".join(f"old.{name} is distinct from new.{name}" for name in fields.split(", "))
    body = put.format("new.id") + " perform search_put_notes(new.id);"
    trigger("ticket_update", "ticket", f"update of {fields}", body, changed)

    both = (
        "if {0}.visibility = 'public' then perform search_put(array[{0}.ticket_id]);"
        " else perform search_put_notes({0}.ticket_id); end if;"
    )
    trigger("comment_insert", "comment", "insert", both.format("new"), f"new.{_PEOPLES}")
    body = put.format("old.ticket_id, new.ticket_id") + "".join(
        f" perform search_put_notes({row}.ticket_id);" for row in ("old", "new")
    )
    trigger("comment_update", "comment", "update of body, visibility, ticket_id", body)
    trigger("comment_delete", "comment", "delete", both.format("old"))

    here = (
        "if exists (select 1 from comment where id = new.comment_id and visibility = 'internal')"
        " then perform search_put_notes(new.ticket_id);"
        " else perform search_put(array[new.ticket_id]); end if;"
    )
    trigger("file_insert", "attachment", "insert", here, "not new.is_inline")
    fields = "filename, is_inline, ticket_id, comment_id"
    changed = " or ".join(f"old.{name} is distinct from new.{name}" for name in fields.split(", "))
    body = put.format("old.ticket_id, new.ticket_id") + "".join(
        f" perform search_put_notes({row}.ticket_id);" for row in ("old", "new")
    )
    trigger("file_update", "attachment", f"update of {fields}", body, changed)
    body = put.format("old.ticket_id") + " perform search_put_notes(old.ticket_id);"
    trigger("file_delete", "attachment", "delete", body)

    of = "perform search_put(array(select id from ticket where requester_id in ({})));"
    renamed = "old.name is distinct from new.name"
    trigger("person_update", "person", "update of name", of.format("new.id"), renamed)
    trigger("email_insert", "person_email", "insert", of.format("new.person_id"))
    body = of.format("old.person_id, new.person_id")
    trigger("email_update", "person_email", "update of address, person_id", body)
    trigger("email_delete", "person_email", "delete", of.format("old.person_id"))


def _search_index() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _search_index_sqlite()
    else:
        _search_index_postgresql()


def _search_articles() -> None:
    """One document for each article, drafts too: who looks for it says which of them count."""
    execute = op.get_bind().exec_driver_sql
    fields = ("title", "summary", "body_text")
    names = ", ".join(fields)
    if op.get_bind().dialect.name == "sqlite":
        options = "content_rowid='id', tokenize=\"unicode61 remove_diacritics 2\", prefix='2 3 4'"
        fts = f"fts5({names}, content='article', {options})"
        execute(f"create virtual table search_article using {fts}")
        old, new = (", ".join(f"{row}.{name}" for name in fields) for row in ("old", "new"))
        out = (
            f"insert into search_article (search_article, rowid, {names})"
            f" values ('delete', old.id, {old});"
        )
        put = f"insert into search_article (rowid, {names}) values (new.id, {new});"
        _sqlite_trigger("article_insert", "after insert on article", put)
        _sqlite_trigger("article_delete", "after delete on article", out)
        _sqlite_trigger("article_update", f"after update of {names} on article", out, put)
        return
    execute(
        """
        create table search_article (
            article_id integer primary key references article (id) on delete cascade,
            document tsvector not null
        )
        """
    )
    execute("create index search_article_document on search_article using gin (document)")
    document = " || ".join(
        f"setweight(to_tsvector('simple', search_fold(new.{name})), '{weight}')"
        for name, weight in zip(fields, "ABD", strict=True)
    )
    execute(
        f"""
        create function search_article_put() returns trigger language plpgsql as $$
        begin
            insert into search_article (article_id, document) values (new.id, {document})
            on conflict (article_id) do update set document = excluded.document;
            return null;
        end $$
        """
    )
    execute(
        f"create trigger search_article_put after insert or update of {names} on article"
        " for each row execute function search_article_put()"
    )


def _drop_search_index() -> None:
    """Everything whose name begins with search_."""
    bind = op.get_bind()
    execute = bind.exec_driver_sql
    if bind.dialect.name == "sqlite":
        kinds = "('trigger', 'view')"
        found = execute(
            "select type, name from sqlite_master"
            f" where substr(name, 1, 7) = 'search_' and type in {kinds} order by type"
        ).all()
        execute("drop table search_ticket")
        execute("drop table search_note")
        execute("drop table search_article")
        for kind, name in found:
            execute(f"drop {kind} {name}")
        return
    execute("drop table search_ticket")
    execute("drop table search_article")
    found = execute("select oid::regprocedure from pg_proc where starts_with(proname, 'search_')")
    for (name,) in found.all():
        execute(f"drop function {name} cascade")


def downgrade() -> None:
    _drop_search_index()
    op.drop_table("context_answer")
    op.drop_table("endpoint_health")
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
    op.drop_table("article_vote")
    op.drop_table("article_revision")
    with op.batch_alter_table("article_picture", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_picture_sha256"))

    op.drop_table("article_picture")
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.drop_index("ix_article_updated_at_id")
        batch_op.drop_index("ix_article_category_id_title_id")

    op.drop_table("article")
    op.drop_table("article_category")
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attachment_uploader_id"))
        batch_op.drop_index("ix_attachment_ticket_id_id")
        batch_op.drop_index(batch_op.f("ix_attachment_sha256"))
        batch_op.drop_index(batch_op.f("ix_attachment_comment_id"))

    op.drop_table("attachment")
    op.drop_table("person_merge")
    op.drop_table("ticket_merge")
    op.drop_table("sending_outage")
    op.drop_table("told_alarm")
    op.drop_table("watch")
    with op.batch_alter_table("reply_draft", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reply_draft_person_id"))

    op.drop_table("reply_draft")
    with op.batch_alter_table("reply_undo", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reply_undo_until"))

    op.drop_table("reply_undo")
    with op.batch_alter_table("ticket_tag", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_tag_tag_id_ticket_id")

    op.drop_table("ticket_tag")
    with op.batch_alter_table("ticket_message_id", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ticket_message_id_ticket_id"))

    op.drop_table("ticket_message_id")
    with op.batch_alter_table("ticket_event", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_ticket_event_status",
            sqlite_where=sa.text("kind = 'status'"),
            postgresql_where=sa.text("kind = 'status'"),
        )
        batch_op.drop_index("ix_ticket_event_ticket_id_id")
        batch_op.drop_index(
            "ix_ticket_event_actor_id",
            sqlite_where=sa.text("actor_id is not null"),
            postgresql_where=sa.text("actor_id is not null"),
        )

    op.drop_table("ticket_event")
    op.drop_table("reopening")
    with op.batch_alter_table("ticket_access", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ticket_access_person_id"))

    op.drop_table("ticket_access")
    with op.batch_alter_table("sla_clock", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_sla_clock_missed",
            sqlite_where=sa.text("breached_at is not null"),
            postgresql_where=sa.text("breached_at is not null"),
        )
        batch_op.drop_index(
            "ix_sla_clock_met",
            sqlite_where=sa.text("state = 'met'"),
            postgresql_where=sa.text("state = 'met'"),
        )
        batch_op.drop_index(
            "ix_sla_clock_warn",
            sqlite_where=sa.text("warn_at is not null and warned_at is null"),
            postgresql_where=sa.text("warn_at is not null and warned_at is null"),
        )
        batch_op.drop_index(
            "ix_sla_clock_due",
            sqlite_where=sa.text("due_at is not null and breached_at is null"),
            postgresql_where=sa.text("due_at is not null and breached_at is null"),
        )

    op.drop_table("sla_clock")
    with op.batch_alter_table("participant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participant_person_id"))

    op.drop_table("participant")
    with op.batch_alter_table("held_email", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_held_email_waiting",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.drop_index(batch_op.f("ix_held_email_inbound_email_id"))

    op.drop_table("held_email")
    with op.batch_alter_table("decision_record", schema=None) as batch_op:
        batch_op.drop_index("ix_decision_record_ticket_id_id")

    op.drop_table("decision_record")
    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.drop_index("ix_comment_ticket_id_created_at_id")
        batch_op.drop_index(
            "uq_comment_ticket_id_inbound_email_id",
            sqlite_where=sa.text("inbound_email_id is not null"),
            postgresql_where=sa.text("inbound_email_id is not null"),
        )
        batch_op.drop_index(
            "ix_comment_author_id",
            sqlite_where=sa.text("author_id is not null"),
            postgresql_where=sa.text("author_id is not null"),
        )

    op.drop_table("comment")
    with op.batch_alter_table("view", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_view_name_shared",
            sqlite_where=sa.text("owner_id is null and group_id is null"),
            postgresql_where=sa.text("owner_id is null and group_id is null"),
        )

    op.drop_table("view")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_ticket_waiting_requester",
            sqlite_where=sa.text("status = 'pending' and deleted_at is null"),
            postgresql_where=sa.text("status = 'pending' and deleted_at is null"),
        )
        batch_op.drop_index("ix_ticket_updated_at_id")
        batch_op.drop_index("ix_ticket_status_id")
        batch_op.drop_index(
            "ix_ticket_answered",
            sqlite_where=sa.text(
                "first_response_at is not null and deleted_at is null and merged_into_id is null"
            ),
            postgresql_where=sa.text(
                "first_response_at is not null and deleted_at is null and merged_into_id is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_finished",
            sqlite_where=sa.text(
                "finished_at is not null and deleted_at is null and merged_into_id is null"
            ),
            postgresql_where=sa.text(
                "finished_at is not null and deleted_at is null and merged_into_id is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_resolved",
            sqlite_where=sa.text("status = 'resolved'"),
            postgresql_where=sa.text("status = 'resolved'"),
        )
        batch_op.drop_index("ix_ticket_requester_id_id")
        batch_op.drop_index("ix_ticket_priority_id")
        batch_op.drop_index(
            "ix_ticket_load",
            sqlite_where=sa.text("status in ('new', 'open', 'in_progress') and deleted_at is null"),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress') and deleted_at is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_merged_into",
            sqlite_where=sa.text("merged_into_id is not null"),
            postgresql_where=sa.text("merged_into_id is not null"),
        )
        batch_op.drop_index("ix_ticket_group_id_id")
        batch_op.drop_index(
            "ix_ticket_gone",
            sqlite_where=sa.text("deleted_at is not null or merged_into_id is not null"),
            postgresql_where=sa.text("deleted_at is not null or merged_into_id is not null"),
        )
        batch_op.drop_index(
            "uq_ticket_external_id",
            sqlite_where=sa.text("external_id is not null"),
            postgresql_where=sa.text("external_id is not null"),
        )
        batch_op.drop_index(
            "ix_ticket_follow_up_of_id",
            sqlite_where=sa.text("follow_up_of_id is not null"),
            postgresql_where=sa.text("follow_up_of_id is not null"),
        )
        batch_op.drop_index("ix_ticket_due_at_id")
        batch_op.drop_index("ix_ticket_created_at_id")
        batch_op.drop_index("ix_ticket_category_id_id")
        batch_op.drop_index("ix_ticket_assignee_id_id")
        batch_op.drop_index(
            "ix_ticket_active_status",
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_active_next_due",
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_active_group",
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_active_assignee",
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )
        batch_op.drop_index(
            "ix_ticket_active",
            sqlite_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
            postgresql_where=sa.text(
                "status in ('new', 'open', 'in_progress', 'pending') and deleted_at is null"
            ),
        )

    op.drop_table("ticket")
    op.drop_table("subcategory_skill")
    with op.batch_alter_table("sla_escalation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sla_escalation_policy_id"))

    op.drop_table("sla_escalation")
    with op.batch_alter_table("person_skill", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_skill_skill_id"))

    op.drop_table("person_skill")
    with op.batch_alter_table("person_email", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_person_email_main",
            sqlite_where=sa.text("is_main"),
            postgresql_where=sa.text("is_main"),
        )
        batch_op.drop_index(batch_op.f("ix_person_email_person_id"))

    op.drop_table("person_email")
    op.drop_table("blocked_sender")
    with op.batch_alter_table("failing_address", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_failing_address_outbound_email_id"))

    op.drop_table("failing_address")
    with op.batch_alter_table("outbound_email", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbound_email_ticket_id"))
        batch_op.drop_index("ix_outbound_email_state_id")
        batch_op.drop_index("ix_outbound_email_recipient_created_at")
        batch_op.drop_index(
            "ix_outbound_email_undelivered",
            sqlite_where=sa.text("state in ('failed', 'held_back')"),
            postgresql_where=sa.text("state in ('failed', 'held_back')"),
        )
        batch_op.drop_index(
            "ix_outbound_email_due",
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )

    op.drop_table("outbound_email")
    with op.batch_alter_table("one_time_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_one_time_link_person_id"))
        batch_op.drop_index(batch_op.f("ix_one_time_link_expires_at"))

    op.drop_table("one_time_link")
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_session_person_id"))
        batch_op.drop_index(batch_op.f("ix_login_session_expires_at"))

    op.drop_table("login_session")
    op.drop_table("mailbox_poll")
    op.drop_table("mail_receipt")
    op.drop_table("raw_email")
    with op.batch_alter_table("inbound_email", schema=None) as batch_op:
        batch_op.drop_index("ix_inbound_email_state_id")
        batch_op.drop_index(
            "ix_inbound_email_due",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )

    op.drop_table("inbound_email")
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_key_created_at"))

    op.drop_table("idempotency_key")
    with op.batch_alter_table("group_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_group_member_person_id"))

    op.drop_table("group_member")
    with op.batch_alter_table("assignment_rule", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_rule_category_id"))

    op.drop_table("assignment_rule")
    op.drop_table("recovery_code")
    op.drop_table("practice_progress")
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_token_person_id"))

    op.drop_table("api_token")
    op.drop_table("subcategory")
    op.drop_table("sla_policy")
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index("ix_person_role_presence")
        batch_op.drop_index(
            "uq_person_external_id",
            sqlite_where=sa.text("external_id is not null"),
            postgresql_where=sa.text("external_id is not null"),
        )
        batch_op.drop_index(
            "ix_person_organization_id",
            sqlite_where=sa.text("organization_id is not null"),
            postgresql_where=sa.text("organization_id is not null"),
        )

    op.drop_table("person")
    with op.batch_alter_table("organization_domain", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_organization_domain_organization_id"))

    op.drop_table("organization_domain")
    op.drop_table("mailbox")
    op.drop_table("holiday")
    op.drop_table("custom_field_category")
    op.drop_table("category_skill")
    with op.batch_alter_table("calendar_interval", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_calendar_interval_calendar_id"))

    op.drop_table("calendar_interval")
    op.drop_table("auto_response_template")
    op.drop_table("tag")
    op.drop_table("stamp")
    op.drop_table("sla_terms")
    op.drop_table("skill")
    op.drop_table("setting")
    op.drop_table("logo")
    op.drop_table("organization")
    op.drop_table("macro")
    op.drop_table("custom_field")
    op.drop_table("category")
    op.drop_table("audit_entry")
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql("drop function audit_entry_refuse")
    op.drop_table("calendar")
    op.drop_table("agent_group")
