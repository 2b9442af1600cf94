"""Tables as CSV, a line at a time, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

# What a spreadsheet takes for the start of a formula, which may call programs and addresses
# (OWASP, "CSV Injection"); tab and line end count because some skip them.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BOM = "\ufeff"  # without it Excel reads UTF-8 as something else


def cell(value: object) -> str:
    """The text of one cell; what would be read as a formula gets an apostrophe before it."""
    text = "" if value is None else str(value)
    if text.startswith(FORMULA) and not isinstance(value, int | float):
        return f"'{text}"
    return text


def lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """CSV (RFC 4180) of *head* and *rows*; holds one row at a time."""
    buffer = io.StringIO()
    write = csv.writer(buffer)
    write.writerow(head)
    yield BOM + buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        write.writerow([cell(value) for value in row])
        yield buffer.getvalue()
