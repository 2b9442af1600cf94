"""Pages of errors: what somebody can do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient


def broken(**_: object) -> NoReturn:
    raise RuntimeError("broken")


@pytest.fixture
def break_(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Break what answers a path."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)

    def break_(path: str, method: str) -> None:
        endpoint, _ = app.url_map.bind("localhost").match(path, method)
        monkeypatch.setitem(app.view_functions, endpoint, broken)

    return break_


def test_a_page_that_failed_can_be_loaded_again(
    client: FlaskClient, break_: Callable[[str, str], None]
) -> None:
    break_("/kb/search", "GET")
    page = client.get("/kb/search?q=oven")
    assert page.status_code == 500
    assert '<a class="button primary" href="/kb/search?q=oven">Try again</a>' in page.text


def test_nobody_is_sent_to_an_address_that_only_takes_forms(
    client: FlaskClient, break_: Callable[[str, str], None]
) -> None:
    secret = {"password": "x"}  # so that the form itself is not offered again
    for path, is_page in (("/login", True), ("/account/password", False)):
        break_(path, "POST")
        page = client.post(path, data=secret)
        assert page.status_code == 500
        assert ("Try again</a>" in page.text) is is_page, path


def test_programs_are_not_told_what_people_do(client: FlaskClient) -> None:
    unknown = client.get("/api/v1/nonsense")
    assert (unknown.status_code, unknown.get_json()["detail"]) == (
        404,
        "There is nothing at this address. /api/v1/openapi.json lists what there is.",
    )
    refused = client.put("/api/v1/tickets")
    assert (refused.status_code, "POST" in refused.headers["Allow"]) == (405, True)
    assert "the header Allow" in refused.get_json()["detail"]
