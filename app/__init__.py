"""Deskhand: a self-hosted help desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.loading import uncollected
from app.core.places import ROOT

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings


def create_store(settings: Settings | None = None) -> Flask:
    """The database, its caches and the bells without any page: enough to store a mail.

    It loads in half the time and half the memory of the whole application.

    Raises:
        SettingsError: a setting has a wrong value.
    """
    from flask import Flask

    from app.core.cache import init_cache
    from app.core.db import db, init_database, postgres_options, sqlite_options
    from app.core.jobs import Bells
    from app.core.logs import configure_logs
    from app.settings import load

    settings = settings or load()
    configure_logs(settings.log_level)
    app = Flask(
        __name__,
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.extensions["settings"] = settings
    app.extensions["bells"] = Bells(settings.queue_url)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=(sqlite_options() if settings.is_sqlite else postgres_options()),
    )
    db.init_app(app)
    init_database(app)
    init_cache(app)
    return app


@uncollected()
def create_app(settings: Settings | None = None, *, has_pages: bool = True) -> Flask:
    """The application.

    Args:
        has_pages: False for a process that answers nobody: pages and API are a third of what the
            application weighs.

    Raises:
        SettingsError: a setting has a wrong value.
    """
    # Imported here: `deskhand run` and the scheduler load this package, but not the application.
    from app.core.migrating import Migrations
    from app.extensions import csrf, limiter, login_manager
    from app.settings import load
    from app.web import assets
    from app.web.brand import init_brand
    from app.web.errors import init_errors
    from app.web.security import init_security
    from app.web.sessions import init_sessions
    from app.web.templating import init_templates

    settings = settings or load()
    app = create_store(settings)
    # No view here is a coroutine: nobody needs to look at each of them with every request.
    app.ensure_sync = lambda func: func  # type: ignore[method-assign]
    _configure(app, settings)
    init_templates(app)
    _trust_proxies(app, settings.trusted_proxies)
    init_security(app)
    Migrations(app, ROOT / "migrations")
    csrf.init_app(app)
    init_sessions(app)
    # No template asks for `current_user`; an error page must not ask a database that is away.
    login_manager.init_app(app, add_context_processor=False)
    limiter.init_app(app)
    init_errors(app)
    assets.init_app(app)
    init_brand(app)
    if has_pages:
        _register(app)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    """What Flask and its extensions are told: session, forms, rate limits."""
    from app.core.jobs import ANSWER_SECONDS
    from app.web.security import MAX_BODY

    app.config.update(
        SESSION_COOKIE_NAME="deskhand",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https://"),
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        MAX_FORM_PARTS=500,
        WTF_CSRF_TIME_LIMIT=None,  # a desk stays open over lunch; the session bounds it
        WTF_CSRF_SSL_STRICT=False,  # we send no referrer; the token in the session is the check
        RATELIMIT_STORAGE_URI=settings.queue_url.replace("unix://", "redis+unix://"),
        RATELIMIT_STORAGE_OPTIONS={
            "socket_connect_timeout": ANSWER_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
        },
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_SWALLOW_ERRORS=True,  # Redis may die between the check and the answer
        RATELIMIT_HEADERS_ENABLED=True,
        RATELIMIT_ENABLED=settings.rate_limits,
        RATELIMIT_STRATEGY="fixed-window",
    )


def _trust_proxies(app: Flask, hops: int) -> None:
    """Believe the last *hops* proxies who asks, over what, and for which host."""
    from werkzeug.middleware.proxy_fix import ProxyFix

    if hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def _register(app: Flask) -> None:
    """Every area's pages and commands, and the API."""
    from app.accounts import init_accounts
    from app.admin.routes import init_admin
    from app.api.routes import init_api
    from app.automation import watches
    from app.core.clock import utcnow
    from app.desk.routes import init_desk
    from app.help.routes import init_help
    from app.knowledge.routes import init_knowledge
    from app.mail import alarms
    from app.portal.routes import init_portal
    from app.reports.routes import init_reports
    from app.web.health import init_health

    init_health(
        app,
        mail=lambda: alarms.readiness(utcnow()),
        machine=lambda: watches.readiness(utcnow()),
    )
    init_accounts(app)
    init_admin(app)
    init_desk(app)
    init_help(app)
    init_portal(app)
    init_reports(app)
    init_knowledge(app)
    init_api(app)
