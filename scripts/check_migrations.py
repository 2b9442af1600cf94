"""Run the migrations from an empty database on both kinds, then compare with the models."""

import os
import subprocess
import sys
import tempfile

from tests.servers import postgres_url


def main() -> int:
    """Return 0 if both databases end up as the models say."""
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/empty.db", postgres_url("migrations")):
            environ = {**os.environ, "DESKHAND_DATABASE_URL": url, "DESKHAND_DATA_DIR": folder}
            for command in ("upgrade", "check"):
                done = subprocess.run([sys.executable, "-m", "app", "db", command], env=environ)
                if done.returncode:
                    return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
