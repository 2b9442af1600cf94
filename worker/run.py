"""The worker process."""

from __future__ import annotations

from contextlib import suppress
from types import FrameType

from flask import Flask
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker, worker_registration
from rq.executions import Execution
from rq.job import Job

from app import create_app
from app.core.jobs import QUEUE, stop_soon
from app.process.heap import share_one_heap
from app.process.migrations import wait_for_migrations
from app.settings import Settings
from worker import aside

# How long it listens before it looks whether Redis is still there: the host of Redis may vanish
# without a word. RQ takes 15 seconds off the life that it is told.
LISTEN_SECONDS = 45


class Worker(SimpleWorker):
    """Runs each job in an application context of its own, in this process.

    Without a fork for each job it does four times as many of them a second (RQ 3.0, measured).
    """

    app: Flask
    max_connection_wait_time = 5.0  # seconds between two looks for a Redis that is down

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tell that we live, and be listed again where Redis was emptied."""
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the job in work; a Redis that is down must not break into that job."""
        with suppress(RedisError):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def handle_warm_shutdown_request(self) -> None:
        """Let the job in work end at its next row."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        stop_soon()

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job; what its session held is given back afterwards, whatever happened."""
        with self.app.app_context():
            return super().perform_job(job, queue, execution)


def work() -> None:
    """Work until SIGTERM or SIGINT; the job in work is finished first."""
    share_one_heap()
    app = create_app(has_pages=False)
    wait_for_migrations(app)
    settings: Settings = app.extensions["settings"]
    redis = Redis.from_url(settings.queue_url)
    worker = Worker([QUEUE], connection=redis, worker_ttl=LISTEN_SECONDS + 15)
    worker.app = app
    aside.allow(app)
    worker.work(logging_level="WARNING")
