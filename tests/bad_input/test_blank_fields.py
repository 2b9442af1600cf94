"""Fields that need something: white space is nothing, and each says in words what it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.forms import TokenForm, email_field, name_field
from app.accounts.models import Role
from app.accounts.second_factor_routes import CodeForm
from app.admin.forms import AdminForm, line, number, text
from app.admin.service_levels import _span_field
from app.knowledge.forms import ArticleForm
from app.web.forms import BaseForm
from tests.admin.pages import errors, post
from tests.admin.test_settings import fields
from tests.factories import make_agent


class Blank(AdminForm):
    """One of each kind that people type into."""

    subject = line("Line", most=1_500)
    body = text("Text", needed=True)
    span = _span_field("Span", "")
    email = email_field()
    theirs = email_field(new=True)
    name = name_field()
    amount = number("Amount", least=5, most=1_000)
    letter = line("Letter", most=1)


@pytest.mark.parametrize(
    ("form", "needed"),
    [
        (Blank, {"subject", "body", "span", "email", "name", "amount", "letter"}),
        (TokenForm, {"label"}),
        (CodeForm, {"code"}),
        (ArticleForm, {"title", "body"}),
    ],
)
@pytest.mark.parametrize("blank", ["", "   ", "\t\n", "\u3000"])
def test_white_space_is_nothing(
    app: Flask, form: type[BaseForm], needed: set[str], blank: str
) -> None:
    with app.test_request_context(method="POST", data=dict.fromkeys(needed, blank)):
        sent = form()
        assert not sent.validate_on_submit()
        assert needed <= set(sent.errors)
        assert all(len(sent.errors[name]) == 1 for name in needed), sent.errors


@pytest.mark.parametrize("typed", ["²", "1.5", "1e9", "9" * 5_000, "NaN", "4", "1001", "a\0"])
def test_a_number_is_refused_once_and_with_its_bounds(app: Flask, typed: str) -> None:
    with app.test_request_context(method="POST", data={"amount": typed}):
        sent = Blank()
        sent.validate_on_submit()
        assert list(sent.amount.errors) == ["A whole number from 5 to 1,000."]
        assert typed in sent.amount()


def test_one_character_is_one_character(app: Flask) -> None:
    with app.test_request_context(method="POST", data={"letter": "ab"}):
        sent = Blank()
        sent.validate_on_submit()
        assert list(sent.letter.errors) == ["At most 1 character."]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("subject", "At most 1,500 characters."),
        ("name", "At most 200 characters."),
    ],
)
def test_what_is_too_long_is_told_in_the_words_of_the_desk(
    app: Flask, name: str, told: str
) -> None:
    with app.test_request_context(method="POST", data={name: "x" * 1_501}):
        sent = Blank()
        sent.validate_on_submit()
        assert list(sent[name].errors) == [told]


def test_what_is_no_address_is_told_once(app: Flask) -> None:
    with app.test_request_context(method="POST", data={"theirs": "nonsense"}):
        sent = Blank()
        sent.validate_on_submit()
        assert list(sent.theirs.errors) == ["Enter a mail address such as name@example.com."]


def test_a_choice_that_is_gone_says_what_to_do(app: Flask) -> None:
    with app.test_request_context(method="POST", data={"scope": "all", "label": "x"}):
        sent = TokenForm()
        sent.validate_on_submit()
        told = "Choose one of the list. What was chosen is not in it any more."
        assert list(sent.scope.errors) == [told]


def test_a_desk_keeps_its_name(
    client: FlaskClient, sign_in: Callable[..., FlaskClient], app: Flask
) -> None:
    sign_in(client, make_agent(name="Ada", role=Role.ADMIN))
    path = "/admin/settings"
    answer = post(client, path, fields(client.get(path).text) | {"site_name": "  "})
    assert answer.status_code == 422
    assert errors(answer) == ["Fill this in."]


def test_no_word_of_the_machine_stands_in_the_first_form(client: FlaskClient) -> None:
    assert 'autofocus="None"' not in client.get("/login").text
