"""E-mail as such: parsing, composing, the outbox. Knows no ticket."""
