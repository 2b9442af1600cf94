"""Help for agents: the handbook of docs/, and practice on demo data."""
