"""Marks in the brackets at a subject's start."""

from __future__ import annotations

import pytest

from app.channels import subject_marks
from app.tickets.words import Priority

CATEGORIES = {"billing": 2, "feature_request": 3, "feature requests": 3}


@pytest.mark.requirement("R 7-5", "R 7-6", "X28")
@pytest.mark.parametrize(
    ("subject", "priority", "category_id"),
    [
        ("[urgent] Help", Priority.CRITICAL, None),
        ("[Critical][Billing] Help", Priority.CRITICAL, 2),
        (" [HIGH]  [Feature requests] Help", Priority.HIGH, 3),
        ("[low] Help", Priority.LOW, None),
        ("[medium] Help", Priority.NORMAL, None),
        ("[EXTERNAL] [urgent] Help", Priority.CRITICAL, None),
        ("[low] [urgent] Help", Priority.LOW, None),
        ("Re: [urgent] Help", None, None),
        ("Help [urgent]", None, None),
        ("[shipping] Help", None, None),
        ("urgent", None, None),
        ("[urgent", None, None),
        ("[]" * 500, None, None),
    ],
)
def test_marks(subject: str, priority: Priority | None, category_id: int | None) -> None:
    marks = subject_marks.read(subject, categories=CATEGORIES, cap=Priority.CRITICAL)
    assert (marks.priority, marks.category_id) == (priority, category_id)
    assert bool(marks.summary) is bool(priority or category_id)


@pytest.mark.requirement("X28")
@pytest.mark.parametrize(
    ("word", "given"), [("urgent", Priority.HIGH), ("high", Priority.HIGH), ("low", Priority.LOW)]
)
def test_a_customers_mark_is_capped(word: str, given: Priority) -> None:
    marks = subject_marks.read(f"[{word}] x", categories={}, cap=Priority.HIGH)
    assert marks.priority is given
