"""The forms of accounts. A line is one line: what no database can hold is refused, not stored."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from wtforms import (
    EmailField,
    Form,
    HiddenField,
    PasswordField,
    SelectChoice,
    SelectField,
    StringField,
)
from wtforms.validators import (
    DataRequired,
    EqualTo,
    InputRequired,
    Length,
    StopValidation,
    ValidationError,
)

from app.accounts import passwords, people
from app.accounts.models import Person, Presence, Role
from app.core.errors import Invalid
from app.web.forms import BaseForm, one_line, stripped

LANGUAGES = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "sv": "Svenska",
    "ja": "日本語",
    "zh": "中文",
    "ar": "العربية",
}
ROLES = {
    Role.AGENT.value: "Agent",
    Role.SUPERVISOR.value: "Supervisor",
    Role.ADMIN.value: "Admin",
}
SPECIALS = frozenset('()<>[]:;@\\,"')  # in quotes alone (RFC 5322, section 3.2.3)
CONTINENTS = {"Africa", "America", "Antarctica", "Asia", "Atlantic"} | {
    *("Australia", "Europe", "Indian", "Pacific"),
}


def mail_address(form: Form, field: EmailField) -> None:
    """Bring a mail address into its stored form, or refuse it."""
    try:
        field.data = people.normal_address(field.data or "")
    except Invalid as error:
        raise ValidationError(error.message) from None


def likely_address(form: Form, field: EmailField) -> None:
    """Refuse an address that nobody has, such as one with a comma in its domain.

    For what is typed a first time: mails to it would be lost, and whoever typed it would wait.
    """
    if why := unlikely(field.data or ""):
        raise StopValidation(why)  # other checks would say it once more


def unlikely(address: str) -> str:
    """Why nobody has this address, with what to type instead; "" where somebody may."""
    local, _, domain = address.rpartition("@")
    if _is_domain(domain):
        # Two of them, or one in angle brackets, as mail programs copy them. Rules that real
        # addresses break, such as dots side by side, are not asked for.
        is_one = not SPECIALS.intersection(local) or _is_valid(address)
        return "" if is_one else people.NO_ADDRESS
    meant = re.sub(r"[,;\s]+|\.{2,}", ".", domain).strip(".")
    if meant != domain and _is_domain(meant):
        return f"“{domain}” cannot be right. Did you mean {local}@{meant}?"
    return people.NO_ADDRESS


def _is_domain(domain: str) -> bool:
    return _is_valid(f"name@{domain}")


def _is_valid(address: str) -> bool:
    try:
        validate_email(
            address, allow_quoted_local=True, check_deliverability=False, test_environment=True
        )
    except (EmailNotValidError, UnicodeError):
        return False
    return True


def email_field(label: str = "Mail address", *, new: bool = False) -> EmailField:
    """A field for one mail address; *new*: of somebody who may not be known yet."""
    checks = [
        DataRequired("Enter your mail address."),
        Length(max=254, message="At most 254 characters."),
        one_line,
    ]
    checks += [likely_address, mail_address] if new else [mail_address]
    return EmailField(label, checks, filters=[stripped])


def name_field(label: str = "Name") -> StringField:
    """A field for a person's name."""
    checks = [DataRequired("Enter a name."), Length(max=people.NAME_LENGTH), one_line]
    return StringField(label, checks, filters=[stripped])


def new_password_field(label: str = "New password") -> PasswordField:
    """A field for a password that is being chosen."""
    length = Length(
        passwords.LEAST,
        passwords.MOST,
        f"Choose {passwords.LEAST} to {passwords.MOST} characters; several words are good.",
    )
    return PasswordField(label, [InputRequired("Choose a password."), length])


class SignInForm(BaseForm):
    """Address and password, and where to go then."""

    email = email_field()
    password = PasswordField(
        "Password", [InputRequired("Enter your password."), Length(max=passwords.MOST)]
    )
    next = HiddenField()


class LinkRequestForm(BaseForm):
    """Where to send a link."""

    email = email_field()


class KeyForm(BaseForm):
    """The button on a link's page."""

    key = HiddenField(
        validators=[InputRequired(), Length(max=100, message="At most 100 characters.")]
    )


class NewPasswordForm(KeyForm):
    """A new password, by a link."""

    password = new_password_field()
    again = PasswordField(
        "New password, once more", [EqualTo("password", "The two passwords differ.")]
    )


class InvitationForm(KeyForm):
    """Somebody new: their name and password."""

    name = name_field("Your name")
    password = new_password_field("Password")


class FirstAdminForm(KeyForm):
    """The first admin."""

    name = name_field("Your name")
    email = email_field(new=True)
    password = new_password_field("Password")


class ProfileForm(BaseForm):
    """What a person says about themselves."""

    name = name_field()
    language = SelectField("Language of your mails", choices=LANGUAGES)
    time_zone = SelectField("Time zone")

    def __init__(self, person: Person, **options: Any) -> None:
        super().__init__(obj=person, **options)
        self.time_zone.choices = time_zones()
        if person.language not in LANGUAGES:  # came with a mail or over the API: keep it
            self.language.choices = LANGUAGES | {person.language: person.language}


class PasswordForm(BaseForm):
    """Another password, by whoever knows the one until now."""

    current = PasswordField("Current password", [Length(max=passwords.MOST)])
    password = new_password_field()


class TokenForm(BaseForm):
    """A name for a new API token."""

    label = StringField(
        "What is it for?",
        [
            DataRequired("Enter what it is for."),
            Length(max=100, message="At most 100 characters."),
            one_line,
        ],
        filters=[stripped],
    )
    scope = SelectField(
        "It may", choices={"write": "read and write", "read": "read alone"}, default="write"
    )
    days = SelectField(
        "It works for",
        choices={"30": "30 days", "90": "90 days", "365": "a year", "": "ever"},
        default="90",
    )


class PresenceForm(BaseForm):
    """The buttons of the frame."""

    presence = SelectField(choices=[p.value for p in Presence])
    next = HiddenField()


@cache
def time_zones() -> list[SelectChoice]:
    """Choices of time zones by continent; "" is the desk's own."""
    own = SelectChoice("", "The desk's own")
    names = sorted(available_timezones())
    return [own, SelectChoice("UTC")] + [
        SelectChoice(name, city.replace("_", " "), optgroup=continent)
        for name in names
        for continent, _, city in [name.partition("/")]
        if continent in CONTINENTS
    ]
