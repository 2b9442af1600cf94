"""What the description of tickets shows."""

from __future__ import annotations

from typing import Any

IF_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": "The ETag as it was read: refused with 412 where the ticket has changed since.",
}
IF_NONE_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string"},
    "description": "The ETag as it was read: 304 where nothing has changed since.",
}
TICKET_IN: dict[str, Any] = {
    "subject": "The panel shows E-41",
    "description": "All four ovens are offline since this morning.",
    "category": "technical",
    "priority": "high",
    "requester": {"email": "johanna@backhaus.example", "name": "Johanna Leitner"},
    "tags": ["ovens"],
}
AGENT = {"id": 12, "name": "Priya Raman", "email": "priya@desk.example"}
REQUESTER = {"id": 41, "name": "Johanna Leitner", "email": "johanna@backhaus.example"}
COMMENT_IN: dict[str, Any] = {
    "body": "Please hold the reset button for five seconds.",
    "visibility": "public",
    "attachments": [
        {"filename": "reset.txt", "content_type": "text/plain", "data": "SG9sZCA1IHMu"}
    ],
}
COMMENT: dict[str, Any] = {
    "id": 203,
    "author": AGENT,
    "author_type": "agent",
    "body": "Please hold the reset button for five seconds.",
    "visibility": "public",
    "attachments": [
        {
            "id": 88,
            "filename": "reset.txt",
            "content_type": "text/plain",
            "size": 9,
            "url": "https://help.example.com/api/v1/tickets/TKT-7K2M9QXA/attachments/88",
        }
    ],
    "created_at": "2026-11-20T09:41:00+00:00",
}
LISTED: dict[str, Any] = {
    "number": "TKT-7K2M9QXA",
    "external_id": "crm-77",
    "subject": "The panel shows E-41",
    "description": "All four ovens are offline since this morning.",
    "status": "open",
    "priority": "high",
    "category": "technical",
    "subcategory": None,
    "requester": REQUESTER,
    "assignee": AGENT,
    "group": {"id": 2, "name": "Ovens"},
    "source": "api",
    "channel": "",
    "tags": ["ovens"],
    "custom_fields": {"order_number": "A-1007"},
    "due_at": "2026-11-20T17:30:00+00:00",
    "first_response_at": "2026-11-20T09:41:00+00:00",
    "resolved_at": None,
    "closed_at": None,
    "created_at": "2026-11-20T09:30:00+00:00",
    "updated_at": "2026-11-20T09:41:00+00:00",
    "version": 5,
}
TICKET: dict[str, Any] = {
    **LISTED,
    "attachments": [],
    "comments": [COMMENT],
    "sla": [
        {
            "policy": {"id": 4, "name": "Premium ovens"},
            "target": "resolution",
            "cycle": 1,
            "state": "running",
            "started_at": "2026-11-20T09:30:00+00:00",
            "due_at": "2026-11-20T17:30:00+00:00",
            "stopped_at": None,
            "overdue_seconds": 0,
        }
    ],
}
TICKETS: dict[str, Any] = {
    "tickets": [LISTED],
    "total": 1,
    "total_is_estimate": False,
    "page": 1,
    "total_pages": 1,
    "next_cursor": None,
}
HISTORY: dict[str, Any] = {
    "history": [
        {
            "id": 901,
            "kind": "priority",
            "actor": {"id": 12, "name": "Priya Raman"},
            "field": "priority",
            "from": "Normal",
            "to": "High",
            "text": "Priya Raman changed the priority from Normal to High",
            "created_at": "2026-11-20T09:35:00+00:00",
        }
    ]
}
STATISTICS: dict[str, Any] = {
    "total": 3,
    "by_status": {"open": 2, "resolved": 1},
    "by_priority": {"high": 1, "normal": 2},
    "by_category": {"technical": 3},
    "by_assignee": {"12": 2, "none": 1},
}
RAW_MAIL = (
    "From: Johanna Leitner <johanna@backhaus.example>\r\nTo: support@desk.example\r\n"
    "Subject: The panel shows E-41\r\nMessage-ID: <1@backhaus.example>\r\n\r\n"
    "All four ovens are offline.\r\n"
)
MAIL: dict[str, Any] = {"id": 5, "state": "received", "is_copy": False}
PROBLEM: dict[str, Any] = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "detail": "Some of the input is wrong.",
    "request_id": "8a41406e733942f8",
    "errors": [{"field": "subject", "message": "Missing data for required field."}],
}
