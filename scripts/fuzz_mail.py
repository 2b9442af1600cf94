"""Look for bytes that break the reading of mails, guided by coverage; by hand, for minutes.

Needs atheris, which is not among the dependencies (``uv pip install --target DIR atheris``):

    PYTHONPATH=DIR nice python scripts/fuzz_mail.py -max_total_time=300 SEEDS...

SEEDS are folders with mails. What breaks a rule of tests/mail/fuzzing.py is written into the
current folder; everything after the script's name is passed on to libFuzzer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["app.mail", "app.core.html"]):
    from tests.mail.fuzzing import check


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
