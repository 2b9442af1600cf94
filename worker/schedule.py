"""The one table of periodic jobs, run by RQ's own cron.

A job drains everything that is due and may run at any time, so a round too many does no harm, and
a round that nobody ran in time is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis
from rq.cron import CronScheduler

# As in app.core.jobs, which would load the whole application.
QUEUE = "deskhand"
JOB_SECONDS = 600
DAY = 86_400

# Name of the function in worker.jobs: seconds between two rounds.
SECONDS_BETWEEN = {
    "process_mail": 30,
    "fetch_mail": 60,
    "send_outbox": 5,  # answers wait ten seconds in case they are taken back, not much longer
    "hand_out": 60,
    "sweep_sla": 60,
    "housekeeping": 60,
    "deliver_webhooks": 10,
    "fetch_context": 60,
}


def run(redis_url: str) -> None:
    """Ring for each job when its time comes, until SIGTERM or SIGINT.

    Raises:
        redis.exceptions.ConnectionError: Redis has gone; whoever supervises us starts us again.
    """
    # A Redis that hangs is one that has gone.
    redis = Redis.from_url(redis_url, socket_connect_timeout=10, socket_timeout=10)
    cron = CronScheduler(redis, logging_level="WARNING")
    for name, seconds in SECONDS_BETWEEN.items():
        cron.register(
            _stand_in(name),
            QUEUE,
            interval=seconds,
            ttl=seconds,
            job_timeout=JOB_SECONDS,
            result_ttl=0,
            failure_ttl=DAY,
        )
    cron.start()


def _stand_in(name: str) -> Callable[[], None]:
    """Return a function with the job's name: RQ sends no more than that to the worker."""

    def job() -> None:
        raise NotImplementedError(name)

    job.__module__ = "worker.jobs"
    job.__name__ = job.__qualname__ = name
    return job
