"""Tickets: the heart of the desk."""
