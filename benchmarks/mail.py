"""How many stored mails a worker turns into tickets a second. Run as a process of its own."""

from __future__ import annotations

import sys
import time
from email.message import EmailMessage

from app import create_app
from app.channels import inbound_email
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.mail import receiving

TEXT = """Hello Greenlatch team,

since Tuesday the pump of our Alcove in the staff room hums, but the mist nozzle stays dry. I have
rinsed the reservoir and the filter mat as the booklet says, and it made no difference. The app
shows F-{number:02} and asks me to check the level sensor.

Kind regards
{name}

--
Harbour Lane Bistro
12 Harbour Lane
"""


def make_mail(number: int) -> bytes:
    """A plain mail, or one with an HTML part, from one of a few hundred people."""
    name = f"Guest {number % 300}"
    mail = EmailMessage()
    mail["From"] = f"{name} <guest{number % 300}@mail.example>"
    mail["To"] = "support@demo.example"
    mail["Subject"] = f"Pump of the Alcove hums but moves no water ({number})"
    mail["Message-ID"] = f"<{number}.{time.time_ns()}@mail.example>"
    mail["Date"] = "Sun, 22 Nov 2026 09:30:00 +0100"
    text = TEXT.format(number=number % 40, name=name)
    mail.set_content(text)
    if number % 2:
        paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
        mail.add_alternative(f"<html><body>{paragraphs}</body></html>", subtype="html")
    return mail.as_bytes()


def main(count: int) -> None:
    """Store *count* mails, then print how long reading them took, in seconds."""
    with create_app().app_context():
        for number in range(count):
            begin_write()
            receiving.store(make_mail(number), None, now=utcnow())
            db.session.commit()
        began = time.perf_counter()
        read = inbound_email.process_due()
        print(time.perf_counter() - began)
        assert read == count, f"{read} of {count} mails were read"


if __name__ == "__main__":
    main(int(sys.argv[1]))
