"""The customers' pages: opening tickets, reading them, answering. Guests come by signed links."""
