"""People, groups, skills, organizations, and how they sign in."""

from __future__ import annotations

from flask import Flask


def init_accounts(app: Flask) -> None:
    """Bind sign-in and its pages to the application."""
    from app.accounts import account_routes, routes, second_factor_routes
    from app.accounts.sign_in import init_sign_in
    from app.accounts.touches import init_touches

    init_sign_in(app)
    init_touches(app)
    app.register_blueprint(routes.bp)
    app.register_blueprint(account_routes.bp)
    app.register_blueprint(second_factor_routes.bp)
