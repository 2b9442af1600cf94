"""Secrets at rest."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.sealing import Unreadable, seal, unseal

pytestmark = pytest.mark.usefixtures("app")


@pytest.mark.parametrize("text", ["", "hunter2", "pässwörd ✓\n" * 200])
def test_a_sealed_text_comes_back_whole(text: str) -> None:
    assert unseal(seal(text)) == text


def test_a_sealed_text_shows_nothing_of_the_secret_and_differs_each_time() -> None:
    first, second = seal("hunter2"), seal("hunter2")
    assert first != second
    assert first.isascii()
    assert "hunter2" not in first


@pytest.mark.parametrize("damaged", ["", "hunter2", "ü", "A{}"])
def test_a_changed_text_is_refused_with_what_to_do(damaged: str) -> None:
    with pytest.raises(Unreadable, match="Enter it again"):
        unseal(damaged.format(seal("hunter2")))


def test_another_secret_key_cannot_read_it(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal("hunter2")
    monkeypatch.setattr(app, "secret_key", "another key of this desk")
    with pytest.raises(Unreadable):
        unseal(sealed)
