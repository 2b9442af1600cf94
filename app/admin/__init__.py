"""Administration: everything that supervisors and admins set up in the browser."""
