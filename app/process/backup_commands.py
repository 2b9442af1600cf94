"""``deskhand backup`` and ``deskhand restore``."""

from __future__ import annotations

from pathlib import Path

import click

from app.process.commands import alone
from app.settings import load

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@FILE
@click.option(
    "--without-secret-key",
    is_flag=True,
    help="Leave out the key that seals mailboxes' passwords and signs links.",
)
def backup(file: Path, without_secret_key: bool) -> None:
    """Write everything into a new FILE, while the desk runs."""
    from app import create_app
    from app.backup.taking import take
    from app.core.blobs import StorageAway

    with create_app().app_context():
        trouble = "it broke off"
        try:
            told = take(file.absolute(), with_secret_key=not without_secret_key)
            trouble = ""
        except FileExistsError:
            trouble = f"{file} is there already; choose another name"
            raise click.ClickException(trouble) from None
        except StorageAway as error:
            trouble = f"files cannot be read: {error.strerror}"
            raise click.ClickException(trouble) from None
        except OSError as error:
            trouble = f"{file} cannot be written: {error.strerror}"
            raise click.ClickException(trouble) from None
        finally:
            _note(trouble)
    total, tickets = sum(told["rows"].values()), told["rows"]["ticket"]
    click.echo(
        f"{file}: {tickets:,} tickets ({total:,} rows), {told['files']:,} files, "
        f"{file.stat().st_size / 1e6:,.1f} MB"
    )
    if told["missing"]:
        click.echo(f"{len(told['missing'])} files of attachments were missing already", err=True)
    if without_secret_key:
        click.echo("Keep DESKHAND_SECRET_KEY (or secret_key of the data folder) somewhere else.")
    else:
        click.echo("It holds every word of your customers and the secret key: keep it safe.")


def _note(trouble: str) -> None:
    """Let the desk know how it went: who runs this by a timer does not read what it says."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.automation import watches
    from app.core.clock import utcnow
    from app.core.db import begin_write, db

    try:
        db.session.rollback()
        begin_write()
        watches.note(watches.BACKUP_KEY, trouble, now=utcnow())
        db.session.commit()
    except SQLAlchemyError as error:
        db.session.rollback()
        click.echo(f"The desk does not know of this: {error}".partition("\n")[0], err=True)


@click.command()
@FILE
@click.option("--overwrite", is_flag=True, help="Take the place of what the desk holds.")
@click.option("--check", "only_check", is_flag=True, help="Only look whether FILE is whole.")
def restore(file: Path, overwrite: bool, only_check: bool) -> None:
    """Put everything back from FILE into an empty desk that does not run."""
    from app import create_app
    from app.backup.archive import BrokenBackup, check
    from app.backup.putting_back import NotEmpty, put_back, put_back_secret_key

    settings = load()
    try:
        if only_check:
            manifest = check(file)
        else:
            with alone(settings.data_dir), create_app(settings).app_context():
                manifest = put_back(file, overwrite=overwrite)
                has_key = put_back_secret_key(file)
    except NotEmpty:
        raise click.ClickException(
            "this desk holds people or tickets; add --overwrite to put the backup in their place"
        ) from None
    except BrokenBackup as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror}") from None
    verb = "holds" if only_check else "put back"
    count = manifest["rows"]["ticket"]
    click.echo(f"{file} of {manifest['made_at'][:16]}: {verb} {count:,} tickets")
    if not only_check and not has_key:
        click.echo(
            "The secret key is not the backup's: set DESKHAND_SECRET_KEY to the old one, or "
            "enter the mailboxes' passwords again; links in old mails do not work.",
            err=True,
        )
