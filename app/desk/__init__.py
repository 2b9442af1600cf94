"""The agents' pages: where tickets, routing, search and channels meet."""
