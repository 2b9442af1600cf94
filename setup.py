"""Puts what belongs to the application but is no Python into the built package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

FOLDERS = ("templates", "static", "migrations", "docs")


class BuildWithPages(build_py):
    """Copies templates, static files, migrations and handbook beside ``app/__init__.py``."""

    def run(self) -> None:
        """Build; an editable install uses the folders where they are."""
        super().run()
        if self.editable_mode:
            return
        if not Path("static/vendor/icons.svg").is_file():
            raise SetupError("static/vendor is missing; run `make setup` before building")
        for name in FOLDERS:
            target = Path(self.build_lib, "app", name)
            shutil.rmtree(target, ignore_errors=True)
            left_out = shutil.ignore_patterns("__pycache__", "screenshot.png")
            shutil.copytree(name, target, ignore=left_out)
        shutil.copy("README.md", Path(self.build_lib, "app"))  # a chapter of the handbook


setup(cmdclass={"build_py": BuildWithPages})
