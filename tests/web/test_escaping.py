"""What a template puts out is text, whatever it came from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from flask import Flask, render_template_string
from markupsafe import Markup


class Word(StrEnum):
    """A text of a class of its own."""

    SLY = "<i>&"


class Sly:
    """Says markup of itself when it is asked for its text."""

    def __str__(self) -> str:
        return "<b>\"'"


@pytest.mark.parametrize(
    ("value", "html"),
    [
        ("plain", "plain"),
        ("<script>&\"'", "&lt;script&gt;&amp;&#34;&#39;"),
        (">", "&gt;"),
        (Word.SLY, "&lt;i&gt;&amp;"),
        (Sly(), "&lt;b&gt;&#34;&#39;"),
        (Markup("<b>ours</b>"), "<b>ours</b>"),
        (7, "7"),
        (None, "None"),
        (["<a>"], "[&#39;&lt;a&gt;&#39;]"),
    ],
)
@pytest.mark.parametrize(
    "template",
    [
        "{{ value }}",
        "{% macro said(it) %}{{ it }}{% endmacro %}{{ said(value) }}",
        "{% set kept %}{{ value }}{% endset %}{{ kept }}",
        "{% for each in [value] %}{{ each }}{% endfor %}",
        "{% call(it) twice() %}{{ it }}{% endcall %}",
    ],
)
def test_values_are_escaped_once(app: Flask, template: str, value: Any, html: str) -> None:
    twice = "{% macro twice() %}{{ caller(value) }}{% endmacro %}"
    with app.test_request_context():
        assert render_template_string(twice + template, value=value) == html
