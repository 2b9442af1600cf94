"""Everything in one file, while the desk runs, and back: on either database."""
