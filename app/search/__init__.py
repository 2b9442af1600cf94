"""Full text search: one function, two database bodies."""
