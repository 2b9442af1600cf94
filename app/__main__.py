"""``python -m app`` is ``deskhand``."""

from app.cli import main

main()
