"""The blueprints of administration."""

from __future__ import annotations

from flask import Flask

from app.admin import (
    audit_log,
    chat,
    context,
    data,
    frame,
    logo,
    mail_ledger,
    mail_out,
    metrics,
    people,
    presets,
    settings,
    system,
    tokens,
    webhooks,
)


def init_admin(app: Flask) -> None:
    """Register administration's pages and the frame around them."""
    app.jinja_env.globals.update(admin_parts=frame.parts, admin_here=frame.here)
    app.register_blueprint(frame.bp)
    app.register_blueprint(audit_log.bp)
    app.register_blueprint(chat.bp)
    app.register_blueprint(context.bp)
    app.register_blueprint(data.bp)
    app.register_blueprint(logo.bp)
    app.register_blueprint(mail_ledger.bp)
    app.register_blueprint(mail_out.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(people.bp)
    app.register_blueprint(presets.bp)
    app.register_blueprint(settings.bp)
    app.register_blueprint(system.bp)
    app.register_blueprint(tokens.bp)
    app.register_blueprint(webhooks.bp)
