"""Where the chat window may stand, set by an admin."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.settings_store import setting
from tests.admin.pages import errors, log, post
from tests.factories import make_agent

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGE = "/admin/settings/chat"
FORM = {"chat_is_on": "y", "chat_origins": "", "chat_mail_minutes": "3"}


def test_websites_are_kept_as_browsers_name_them_and_written_down(
    client: FlaskClient, ada: Person
) -> None:
    typed = "https://Shop.example/\r\n\r\nhttp://localhost:3000\r\nshop.example"
    assert post(client, PAGE, FORM | {"chat_origins": typed}).status_code == 303
    assert setting("chat_origins") == ["https://shop.example", "http://localhost:3000"]
    assert setting("chat_is_on") is True
    lines = {field: (old, new) for _, _, field, old, new in log()}
    assert lines == {
        "Chat is on": ("no", "yes"),
        "Websites": ("", "https://shop.example, http://localhost:3000"),
    }


def test_what_is_no_website_is_refused_in_words(client: FlaskClient, ada: Person) -> None:
    answer = post(client, PAGE, FORM | {"chat_origins": "https://shop.example/help"})
    assert answer.status_code == 422
    assert "Write it as https://shop.example" in errors(answer)[0]
    assert setting("chat_origins") == []


def test_the_page_gives_the_line_to_copy_and_a_try(client: FlaskClient, ada: Person) -> None:
    page = client.get(PAGE).text
    assert "&lt;script src=&#34;http://localhost/widget.js&#34; async&gt;&lt;/script&gt;" in page
    assert "Switch it on first" in client.get(f"{PAGE}/preview").text
    post(client, PAGE, FORM)
    assert 'src="/widget.js"' in client.get(f"{PAGE}/preview").text


def test_it_is_for_admins_alone(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent(role=Role.SUPERVISOR))
    assert client.get(PAGE).status_code == 403
    assert client.get(f"{PAGE}/preview").status_code == 403
