"""How Alembic reaches the application's database and models."""

from __future__ import annotations

from alembic import context
from flask import current_app

import app.api.models
import app.channels.models
import app.core.audit
import app.core.settings_store
import app.integrations.models
import app.knowledge.models
import app.routing.models
import app.tickets.history_models
import app.tickets.mail_models
import app.tickets.merge_models
import app.tickets.models  # noqa: F401  (with the others: fills the metadata)
from app.core.db import Base, begin_read, begin_write, db


def run() -> None:
    """Run the migrations in one transaction, as the only writer."""
    options = current_app.extensions["migrate"].configure_args
    begin_write()
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()
    begin_read()


run()
