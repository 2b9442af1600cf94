"""Who gets a ticket: assignment rules, candidates, fairness."""
