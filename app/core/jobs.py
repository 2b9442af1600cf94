"""Jobs by name. The database is the truth and the queue is a bell.

A job drains everything that is due, so one waiting bell of a kind is enough, and a lost one costs
nothing but time: the minute schedule rings them all.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from app.core.clock import utcnow
from app.core.db import db

log = structlog.get_logger(__name__)

QUEUE = "deskhand"
BELL_SECONDS = 30  # a bell that nobody answers by then may be rung again
RUN_SECONDS = 604_800  # how long it is known when a job last ran
JOB_SECONDS = 600  # then a job is broken off; the next bell goes on with the rest
DOWN_SECONDS = 5.0  # how long a dead Redis is left alone, so that no request waits for it
ANSWER_SECONDS = 0.3  # how long a request waits for Redis, which answers in a millisecond


class Job(StrEnum):
    """Every job; the value is the function's name in ``worker.jobs``."""

    SEND_OUTBOX = "send_outbox"
    PROCESS_MAIL = "process_mail"
    FETCH_MAIL = "fetch_mail"
    HAND_OUT = "hand_out"
    SWEEP_SLA = "sweep_sla"
    HOUSEKEEPING = "housekeeping"
    DELIVER_WEBHOOKS = "deliver_webhooks"
    FETCH_CONTEXT = "fetch_context"


class Bells:
    """Rings after commit. Keeps the connection and remembers for a moment that Redis is down."""

    def __init__(self, url: str) -> None:
        self.redis: Redis = Redis.from_url(
            url, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS
        )
        self.queue = Queue(QUEUE, connection=self.redis)
        self._down_until = 0.0

    def ring(self, job: Job) -> None:
        """Wake a worker for *job*; with Redis down the schedule finds the rows instead."""
        if time.monotonic() < self._down_until:
            return
        try:
            if self.redis.set(f"bell:{job.value}", 1, nx=True, ex=BELL_SECONDS):
                self.queue.enqueue(
                    f"worker.jobs.{job.value}",
                    job_timeout=JOB_SECONDS,
                    result_ttl=0,
                    failure_ttl=86_400,
                )
        except RedisError as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            log.warning("queue unreachable", job=job.value, error=str(error))

    def answered(self, job: Job) -> None:
        """A worker has started *job*: rows committed from now on need a new bell."""
        try:
            self.redis.delete(f"bell:{job.value}")
            self.redis.set(f"ran:{job.value}", utcnow().isoformat(), ex=RUN_SECONDS)
        except RedisError as error:  # the bell falls silent by itself
            log.warning("queue unreachable", job=job.value, error=str(error))


def bells() -> Bells:
    """The bells of this application."""
    found: Bells = current_app.extensions["bells"]
    return found


_stopping = threading.Event()


def stop_soon() -> None:
    """The process is to end: a job finishes the row it is at and leaves the rest to the next."""
    _stopping.set()


def is_stopping() -> bool:
    """True where a job should start no further row."""
    return _stopping.is_set()


def ring(job: Job) -> None:
    """Ring for *job* once the running transaction is committed; dropped on rollback."""
    db.session.info.setdefault("bells", set()).add(job)


@event.listens_for(Session, "after_commit")
def _note_commit(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.info["rung"] = session.info.pop("bells", set())


@event.listens_for(Session, "after_transaction_end")
def _ring_after_unlock(session: Session, transaction: SessionTransaction) -> None:
    """The locks are given back by now: nobody waits for our talk with Redis."""
    if transaction.parent is None:
        for job in sorted(session.info.pop("rung", ())):
            bells().ring(job)


@event.listens_for(Session, "after_rollback")
def _forget_after_rollback(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop("bells", None)


def queue_state() -> dict[str, Any] | None:
    """What waits and who works; None where Redis cannot be reached."""
    from rq import Worker

    try:
        connection = bells().redis
        queue = bells().queue
        return {
            "waiting": len(queue),
            "failed": len(queue.failed_job_registry),
            "workers": Worker.count(connection=connection),
        }
    except RedisError:
        return None


def last_runs() -> dict[Job, datetime] | None:
    """When a worker last started each job; None where Redis cannot be reached."""
    try:
        told = bells().redis.mget([f"ran:{job.value}" for job in Job])
    except RedisError:
        return None
    pairs = zip(Job, told, strict=True)
    return {job: datetime.fromisoformat(_text(at)) for job, at in pairs if at}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
