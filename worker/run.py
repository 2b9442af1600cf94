"""The worker process."""

from __future__ import annotations

from flask import Flask
from redis import Redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job

from app import create_app
from app.core.jobs import QUEUE, stop_soon
from app.process.migrations import wait_for_migrations
from app.settings import Settings


class Worker(SimpleWorker):
    """Runs each job in an application context of its own, in this process.

    Without a fork for each job it does four times as many of them a second (RQ 3.0, measured).
    """

    app: Flask

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
    app = create_app()
    wait_for_migrations(app)
    settings: Settings = app.extensions["settings"]
    worker = Worker([QUEUE], connection=Redis.from_url(settings.queue_url))
    worker.app = app
    worker.work(logging_level="WARNING")
