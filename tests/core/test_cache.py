"""Reference data is kept, and never stale."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core import cache
from app.core.db import db
from app.core.settings_store import change_setting, setting


@pytest.mark.requirement("R 13-4")
def test_a_changed_setting_is_seen_at_once(app: Flask) -> None:
    assert setting("days_to_close") == 7
    change_setting("days_to_close", 3)
    db.session.commit()
    assert setting("days_to_close") == 3


@pytest.mark.requirement("R 13-4")
def test_reference_data_is_read_once(app: Flask, statements: list[str]) -> None:
    setting("days_to_close")
    cache.forget_stamp()
    statements.clear()
    setting("days_to_close")
    setting("site_name")
    assert len(statements) == 1  # the stamp alone
