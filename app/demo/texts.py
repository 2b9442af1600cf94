"""Puts the texts of one ticket together: the same case, product and people all through."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random

from app.demo import phrases
from app.demo.cases import CASES, Case
from app.demo.company import Customer
from app.web.words import MONTHS


@lru_cache(maxsize=16)
def _cases_in(language: str) -> tuple[list[Case], list[float]]:
    by_language: dict[str, list[Case]] = defaultdict(list)
    for case in CASES:
        by_language[case.language].append(case)
    found = by_language[language]
    return found, [case.weight for case in found]


class Texts:
    """What is written on one ticket; the same words for the same seed."""

    def __init__(self, rng: Random, customer: Customer, at: datetime) -> None:
        self.rng, self.customer = rng, customer
        native = customer.language
        speaks = native if native != "en" and rng.random() < 0.5 and _cases_in(native)[0] else "en"
        found, weights = _cases_in(speaks)
        self.case = rng.choices(found, weights)[0]
        day = at - timedelta(days=rng.randrange(2, 16))
        self.product = rng.choice(phrases.PRODUCTS)
        self.order = f"GL-{at.year % 100}-{rng.randrange(10_000, 99_999)}"
        digits = rng.randrange(1_000, 9_999)
        self.serial = f"GX{digits}{rng.randrange(1_000, 9_999)}"
        self.slots = {
            "product": self.product,
            "part": rng.choice(phrases.PARTS),
            "room": rng.choice(phrases.ROOMS),
            "order": self.order,
            "amount": f"€ {rng.randrange(12, 480)}.{rng.choice(('00', '50', '90'))}",
            "day": f"{day.day} {MONTHS[day.month - 1]}",
            "code": f"F-{rng.randrange(2, 40):02}",
            "version": f"{rng.randrange(3, 6)}.{rng.randrange(10)}.{rng.randrange(5)}",
            "digits": str(digits),
            "city": customer.city,
            "first": customer.first,
        }

    def subject(self) -> str:
        """What it is about, on one line."""
        text = self._one(self.case.subjects)
        return text[:1].upper() + text[1:]

    def description(self) -> str:
        """What the customer writes first."""
        rng, case = self.rng, self.case
        parts = [self._one(case.openings)]
        count = min(len(case.details), rng.choice((0, 1, 1, 2)))
        parts += [text.format_map(self.slots) for text in rng.sample(case.details, count)]
        if case.language != "en":
            return " ".join(parts)
        text = " ".join(parts)
        greeting, closing = rng.choice(phrases.GREETINGS), rng.choice(phrases.CLOSINGS)
        return f"{greeting}\n\n{text}\n\n{closing}\n{self.customer.name}"

    def question(self, agent: str) -> str:
        """What the agent wants to know."""
        return self._signed(self._one(self.case.asks), agent)

    def answer(self) -> str:
        """What the customer answers to it."""
        return self._one(self.case.answers)

    def solution(self, agent: str) -> str:
        """What the agent does about it."""
        return self._signed(self._one(self.case.replies), agent)

    def note(self) -> str:
        """What agents tell each other."""
        rng = self.rng
        return self._one(self.case.notes) if rng.random() < 0.7 else rng.choice(phrases.CALLED)

    def other(self, choices: tuple[str, ...], agent: str = "") -> str:
        """One of *choices*, signed where an *agent* writes it."""
        text = self.rng.choice(choices)
        return self._signed(text, agent) if agent else text

    def _one(self, choices: list[str]) -> str:
        return self.rng.choice(choices).format_map(self.slots)

    def _signed(self, text: str, agent: str) -> str:
        name = agent.partition(" ")[0]
        if self.case.language != "en":
            return f"{text}\n\n{name}, Greenlatch"
        greeting = self.rng.choice(phrases.AGENT_GREETINGS).format_map(self.slots)
        return f"{greeting}\n\n{text}\n\n{name}, Greenlatch"
