"""Demo data: an invented company with two years of tickets. Changes nothing of the product."""
