"""Running the parts of Deskhand as processes: the web server, the bundled Redis, the supervisor.

Nothing here imports the application at import time: ``deskhand run`` must start in a moment and
its supervising process must stay small.
"""
