"""Where the parts of an installation are that are no code."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
# Templates, static files and migrations: beside the package's code once installed, else in the
# work tree.
ROOT = _PACKAGE if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent
