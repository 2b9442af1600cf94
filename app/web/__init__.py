"""HTTP glue shared by all areas: fragments, forms, errors, security headers."""
