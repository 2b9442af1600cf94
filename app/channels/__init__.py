"""Ways in: what becomes a ticket or a comment."""
