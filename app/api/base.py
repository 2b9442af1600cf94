"""The base of all schemas."""

from __future__ import annotations

from typing import Any

import marshmallow


class Schema(marshmallow.Schema):
    """Never changed once it is made, so a deep copy may be the schema itself.

    flask-smorest copies all that it was told of an operation with each decorator, schemas and
    their fields as well: 15 MB in every process.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Schema:
        return self
