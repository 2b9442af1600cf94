"""What nobody thought of, sent to everything."""
