"""People, groups, skills, organizations, and how they sign in."""
