"""Rules about every page template."""

import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[2] / "templates"
NAMES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.rglob("*.html")
    if path.relative_to(ROOT).parts[0] != "email"  # mails have an environment of their own
)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_parses_and_uses_what_it_imports(app: Flask, name: str) -> None:
    tree = app.jinja_env.parse((ROOT / name).read_text("utf-8"), name)
    imported = {
        alias[1] if isinstance(alias, tuple) else alias
        for node in tree.find_all(nodes.FromImport)
        for alias in node.names
    }
    used = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    assert imported <= used
    app.jinja_env.get_template(name)  # compiles too: unknown filters and tests are found here


@pytest.mark.parametrize("name", NAMES)
def test_what_a_template_imports_is_there(app: Flask, name: str) -> None:
    """`from … import` of a macro that is not there fails only when the macro is called."""
    tree = app.jinja_env.parse((ROOT / name).read_text("utf-8"), name)
    for node in tree.find_all(nodes.FromImport):
        assert isinstance(node.template, nodes.Const)
        module = app.jinja_env.get_template(node.template.value).make_module({"oob": False})
        for alias in node.names:
            assert hasattr(module, alias[0] if isinstance(alias, tuple) else alias)


# Mail programs post to its address without a page, so the address itself is the proof (RFC 8058).
WITHOUT_TOKEN = "portal/notices.html"


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not n.startswith("components/") and n != WITHOUT_TOKEN]
)
def test_every_form_that_changes_something_carries_the_token(app: Flask, name: str) -> None:
    html = (ROOT / name).read_text("utf-8")
    for form in html.split("<form")[1:]:
        head, _, rest = form.partition(">")
        if 'method="post"' in head:
            body = rest.split("</form>")[0]
            assert "csrf_token" in body or "hidden_tag()" in body


def test_forms_that_are_kept_get_their_token_from_outside(app: Flask) -> None:
    """The rail is kept for many pages; the layout beside it names its forms."""
    kept = (ROOT / "components/rail.html").read_text("utf-8")
    layout = (ROOT / "layouts/desk.html").read_text("utf-8")
    forms = re.findall(r'<form method="post"[^>]* id="([^"]+)"', kept)
    assert len(forms) == kept.count('method="post"') > 0
    for form in forms:
        assert f'form="{form}" name="csrf_token" value="{{{{ token }}}}"' in layout
