"""How fast Deskhand is, as ratios to a bare Flask page on the same machine in the same run."""
