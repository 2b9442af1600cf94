"""The knowledge base: articles for customers and agents, written here and found by their words."""
