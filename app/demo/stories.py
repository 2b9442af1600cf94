"""The life of one ticket, told from its creation until it ends or today is reached."""

from __future__ import annotations

from datetime import timedelta

from app.demo import phrases
from app.demo.acts import Acts, End
from app.demo.drafts import Draft
from app.sla.targets import Target
from app.tickets.timeline import System
from app.tickets.words import Status

DESKHAND = System()
WAITS_LONG = ("feature_request",)


class Story(Acts):
    """One ticket: how long things take, who is asked what, and how it ends."""

    def tell(self) -> Draft:
        """Live through it; the draft as it is today."""
        try:
            self.open()
            self._live()
        except End:
            pass
        self.tell_due(self.world.now)
        self.write()
        draft: Draft = self.ticket
        return draft

    def _live(self) -> None:
        rng, chance = self.rng, self.rng.random()
        if chance < 0.03:
            self.later(hours=rng.uniform(0.3, 30))
            self.cancel()
            return
        if chance > 0.95 and self.ticket.assignee_id:
            self.later(hours=rng.uniform(0.1, 3))
            self.hand_over()
        self._first_answer()
        if self.ticket.status is Status.RESOLVED:
            self._afterwards()
            return
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2))):
            self._wait_for_customer()
            self.customer_writes(self.texts.answer(), files=rng.random() < 0.15)
            if rng.random() < 0.06:
                self.later(hours=rng.uniform(2, 20))
                self.customer_writes(self.texts.other(phrases.WAITING))
            if rng.random() < 0.15:
                self.later(hours=rng.uniform(0.2, 4))
                self.note()
            self._work()
            if rng.random() < 0.3:
                self.reply(self.texts.question(self.name()), Status.PENDING)
            else:
                self._solve()
            if self.ticket.status is Status.RESOLVED:
                break
        if self.ticket.status is not Status.RESOLVED:
            self._work()
            self._solve()
        self._afterwards()

    def _first_answer(self) -> None:
        """The first reply: a question, or the solution at once."""
        rng = self.rng
        first = next((c for c in self.ticket.clocks if c.target is Target.FIRST_RESPONSE), None)
        span = timedelta(hours=6)
        if first is not None and first.due_at is not None:
            span = first.due_at - self.at
        if rng.random() < 0.16:
            self.later(span * self.pace * rng.uniform(0.2, 0.7))
            self.note()
            span /= 2
        self.later(span * self.pace * rng.uniform(0.6, 1.3))
        if rng.random() < 0.45:
            self.set_tags()
        if rng.random() < 0.55:
            self.reply(self.texts.question(self.name()), Status.PENDING)
        elif rng.random() < 0.5:
            self.reply(self.texts.question(self.name()))
        else:
            self._solve()

    def _solve(self) -> None:
        """Say what was done. Often a parcel is on its way first, or an idea waits for its time."""
        rng, kind = self.rng, self.texts.case.category
        waits = 0.35 if kind == "technical" else 0.6 if kind in WAITS_LONG else 0
        text = self.texts.solution(self.name())
        if self.ticket.status is Status.RESOLVED or rng.random() >= waits:
            self.reply(text, Status.RESOLVED, files=kind == "billing" and rng.random() < 0.4)
            return
        self.reply(text, Status.PENDING)
        self.later(days=rng.expovariate(1 / (40 if kind in WAITS_LONG else 9)))
        if rng.random() < 0.6:
            self.customer_writes(self.texts.other(phrases.THANKS))
            self.later(hours=rng.uniform(0.5, 9))
        self.change_status(Status.RESOLVED, self.agent())

    def _wait_for_customer(self) -> None:
        """Customers take their time; one in eight is reminded, and some never answer."""
        rng = self.rng
        if rng.random() < 0.88:
            self.later(hours=min(rng.lognormvariate(3.0, 1.2), 340))
            return
        self.later(days=rng.uniform(4, 6))
        self.reply(self.texts.other(phrases.REMINDERS, self.name()), Status.PENDING)
        self.later(days=rng.uniform(3, 7))
        if rng.random() < 0.6:
            self.reply(self.texts.other(phrases.GIVEN_UP, self.name()), Status.RESOLVED)
            self._afterwards()
            raise End

    def _afterwards(self) -> None:
        """Thanks or trouble after it was resolved; a week later it is closed."""
        rng, chance = self.rng, self.rng.random()
        if chance < 0.14:
            self.later(hours=rng.uniform(1, 60))
            again = chance < 0.06
            self.customer_writes(self.texts.other(phrases.AGAIN if again else phrases.THANKS))
            self._work()
            if again:
                self.reply(self.texts.solution(self.name()), Status.RESOLVED)
            else:
                self.change_status(Status.RESOLVED, self.agent())
        self.later(days=7, minutes=rng.random() * 5)
        self.change_status(Status.CLOSED, DESKHAND)

    def _work(self) -> None:
        """The agent's time until the next answer, by what is left until the resolution is due."""
        left = timedelta(hours=5)
        for clock in self.ticket.clocks:
            if clock.target is not Target.FIRST_RESPONSE and clock.due_at is not None:
                left = max(timedelta(hours=2), clock.due_at - self.at)
        self.later(left * self.pace * self.rng.uniform(0.3, 1.2))
