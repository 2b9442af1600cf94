"""Version 1 of the API: schemas, and thin resources over the same functions as the pages."""
