"""How the desk is doing: numbers of a period, each with the tickets that it counts."""
