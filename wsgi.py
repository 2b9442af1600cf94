"""The WSGI application, for any server."""

from app import create_app

app = create_app()
