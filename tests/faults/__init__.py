"""What happens when parts fail: Redis, workers, the database, the disk, the mail server.

Everything is real: processes, SIGKILL, servers on 127.0.0.1. Waiting is polling with a deadline.
"""
