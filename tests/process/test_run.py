"""``deskhand run`` and its parts, as a person starts them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import flask_migrate
import pytest
from aiosmtpd.smtp import Envelope
from redis import Redis
from rq import Queue, Worker

from app import create_app
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.jobs import Job
from app.mail import outbox
from app.settings import load
from tests import servers
from tests.mail.smtp import smtp_server
from tests.process.test_supervisor import ROOT, lives, wait_until
from tests.servers import free_port

DESKHAND = [sys.executable, "-m", "app"]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Nothing of the caller's settings; a data folder of our own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DESKHAND_")}
    own = {"DESKHAND_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT), **settings}
    return {**kept, **own}


def children(pid: int) -> dict[str, int]:
    """The living parts below a supervisor: their commands and process ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(parent) == pid and len(words) > 3:  # the dead have no command line
                name = "redis" if b"-server" in words[0] else words[3].decode()
                found[name] = int(entry.name)
    return found


class Desk:
    """A running ``deskhand run`` on an empty data folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.folder = folder / "data"
        self.output = folder / "output"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*DESKHAND, "run", "--port", str(self.port)],
                env=environment(self.folder, **settings),
                cwd=folder,
                stdout=file,
                stderr=file,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: "ready at" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def parts(self) -> dict[str, int]:
        """The process ids of all parts, once all live."""
        everyone = {"redis", "web", "worker", "scheduler", "imap"}
        wait_until(lambda: set(children(self.process.pid)) == everyone)
        return children(self.process.pid)

    def get(self, path: str) -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            body: bytes = answer.read()
        return body

    def stop(self, number: int = signal.SIGTERM) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - began


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of the test's own, to stop or kill."""
    running = Desk(tmp_path)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that each test leaves running."""
    running = Desk(tmp_path_factory.mktemp("shared"))
    running.wait_until_ready()
    yield running
    running.stop()


@pytest.mark.slow
def test_one_command_runs_everything_and_stops_it(desk: Desk) -> None:
    desk.wait_until_ready()
    said = desk.said()
    assert f"ready at http://127.0.0.1:{desk.port}" in said
    assert re.search(rf"first admin: http://127\.0\.0\.1:{desk.port}/\S+", said)
    wait_until(lambda: b'"workers":1' in desk.get("/readyz"))
    assert [path.name for path in desk.folder.rglob("*") if is_open(path)] == []
    parts = desk.parts()
    web_workers = list(children(parts["web"]).values())
    assert desk.stop(signal.SIGINT) < 10
    assert desk.process.returncode == 0
    assert not any(map(lives, [*parts.values(), *web_workers]))
    assert not (desk.folder / "redis.sock").exists()
    assert "Traceback" not in desk.said()
    assert "WARNING" not in desk.said()


def is_open(path: Path) -> bool:
    """Whether others may do anything with it; some files come and go."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_every_part_comes_back_after_a_kill(shared_desk: Desk) -> None:
    wait_until(lambda: b'"workers":1' in shared_desk.get("/readyz"))
    before = shared_desk.parts()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(children(shared_desk.process.pid).values()) & set(before.values()))
    shared_desk.parts()

    def answers() -> bool:
        try:
            return b'"redis":"ok"' in shared_desk.get("/readyz")
        except OSError:
            return False

    wait_until(answers)


@pytest.mark.slow
def test_the_doctor_finds_nothing_wrong_with_it(shared_desk: Desk) -> None:
    def asked() -> subprocess.CompletedProcess[str]:
        address = {"DESKHAND_BASE_URL": f"http://127.0.0.1:{shared_desk.port}"}
        return deskhand("doctor", folder=shared_desk.folder, **address)

    deadline = time.monotonic() + 240
    while (told := asked()).returncode and time.monotonic() < deadline:
        pass  # every job has its turn first
    assert (told.returncode, told.stderr) == (0, ""), told.stdout
    assert told.stdout.splitlines()[-1].startswith("Nothing is wrong.")


@pytest.mark.slow
def test_a_killed_web_process_is_replaced_while_the_other_serves(shared_desk: Desk) -> None:
    web = children(shared_desk.process.pid)["web"]
    before = web_processes(web)
    assert len(before) == 2
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    # Until its last thread has ended it may be given connections, which are reset.
    wait_until(lambda: not Path(f"/proc/{killed}").exists())
    wait_until(lambda: len(web_processes(web)) == 2)
    assert b"ok" in shared_desk.get("/healthz")


@pytest.mark.slow
def test_a_slow_upload_holds_up_nobody(shared_desk: Desk) -> None:
    """As many at once as the web server has processes, and more."""
    head = b"POST /tickets/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n"
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
    with ExitStack() as stack:
        for _ in range(6):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", shared_desk.port)))
            slow.sendall(head + kind)
        for _ in range(4):
            assert b"ok" in shared_desk.get("/healthz")


@pytest.mark.slow
def test_sign_ins_leave_no_memory_behind(shared_desk: Desk) -> None:
    """Each takes 19 MiB for a moment, in one thread or another."""
    address = f"http://127.0.0.1:{shared_desk.port}/login"
    with urllib.request.urlopen(address, timeout=60) as page:
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.read().decode())
    assert token is not None

    def fail(number: int) -> int:
        form = {"csrf_token": token[1], "email": f"a{number}@b.example", "password": "wrong" * 3}
        sent = urllib.request.Request(address, urlencode(form).encode(), {"Cookie": cookie})
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(sent, timeout=60)
        with answer.value:
            return answer.value.code

    web = web_processes(children(shared_desk.process.pid)["web"])
    before = sum(map(memory, web))
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(fail, range(40))) == {422}
    assert sum(map(memory, web)) - before < 80


def memory(pid: int) -> int:
    """Megabytes of a process that it shares with none."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"Pss_Anon: +(\d+) kB", text)
    assert found is not None
    return int(found[1]) // 1024


def web_processes(server: int) -> set[int]:
    """Process ids of the server's workers."""
    text = Path(f"/proc/{server}/task/{server}/children").read_text()
    return {int(pid) for pid in text.split() if lives(int(pid))}


@pytest.mark.slow
def test_nothing_outlives_a_killed_supervisor(desk: Desk) -> None:
    desk.wait_until_ready()
    parts = desk.parts()
    wait_until(lambda: len(web_processes(parts["web"])) == 2)
    everyone = [*parts.values(), *web_processes(parts["web"])]
    desk.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(lives, everyone)))


@pytest.mark.slow
def test_a_second_supervisor_on_the_same_folder_is_refused(shared_desk: Desk) -> None:
    done = deskhand("run", "--port", str(free_port()), folder=shared_desk.folder)
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: Deskhand is already running on {shared_desk.folder}\n",
    )


def deskhand(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*DESKHAND, *arguments],
        env=environment(folder, **settings),
        cwd=folder if folder.is_dir() else ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.parametrize("command", ["run", "web"])
def test_a_taken_port_is_said_in_one_line(tmp_path: Path, command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = deskhand(command, "--port", str(port), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    )


def test_a_failed_migration_ends_run_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "deskhand.db").write_bytes(b"not a database, but long enough to be taken for one")
    done = deskhand("run", "--port", str(free_port()), folder=tmp_path)
    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_data_that_cannot_be_made_end_run_with_one_line(tmp_path: Path) -> None:
    done = deskhand("prepare", "--demo", folder=tmp_path, DESKHAND_DEMO_PASSWORD="short")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: DESKHAND_DEMO_PASSWORD ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("run",), ("worker",), ("scheduler",), ("db", "upgrade")])
def test_a_wrong_setting_stops_every_command_with_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = deskhand(*command, folder=tmp_path, DESKHAND_REDIS_URL="amqp://localhost")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: DESKHAND_REDIS_URL: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["worker", "scheduler"])
def test_a_part_without_redis_says_so_in_one_line(tmp_path: Path, command: str) -> None:
    assert deskhand("db", "upgrade", folder=tmp_path).returncode == 0
    done = deskhand(command, folder=tmp_path, DESKHAND_REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: Redis does not answer: ")
    assert "Traceback" not in done.stderr


def test_a_worker_waits_for_the_migrations(tmp_path: Path) -> None:
    url = servers.redis_url()
    connection = Redis.from_url(url)
    connection.flushdb()  # workers of tests before
    process = subprocess.Popen(
        [*DESKHAND, "worker"], env=environment(tmp_path, DESKHAND_REDIS_URL=url), cwd=ROOT
    )
    try:
        time.sleep(3)
        assert Worker.count(connection=connection) == 0
        assert process.poll() is None
        assert deskhand("db", "upgrade", folder=tmp_path).returncode == 0
        wait_until(lambda: Worker.count(connection=connection) == 1)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_worker_finishes_the_job_in_work_before_it_stops(tmp_path: Path) -> None:
    assert deskhand("db", "upgrade", folder=tmp_path).returncode == 0
    url = servers.redis_url()
    queue = Queue("deskhand", connection=Redis.from_url(url))
    queue.empty()
    gate = tmp_path / "gate"
    os.mkfifo(gate)  # whoever reads it waits for somebody who writes
    job = queue.enqueue(Path.read_text, gate, result_ttl=60)
    waiting = queue.enqueue(Path.read_text, gate)
    process = subprocess.Popen(
        [*DESKHAND, "worker"], env=environment(tmp_path, DESKHAND_REDIS_URL=url), cwd=ROOT
    )
    try:
        wait_until(lambda: job.get_status() == "started")
        process.terminate()
        gate.write_text("Open")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
    assert job.get_status() == "finished"
    assert queue.job_ids == [waiting.id]
    queue.empty()


def test_the_scheduler_rings_for_every_job_at_once(tmp_path: Path) -> None:
    from worker.schedule import SECONDS_BETWEEN

    url = servers.redis_url()
    queue = Queue("deskhand", connection=Redis.from_url(url))
    queue.empty()
    process = subprocess.Popen(
        [*DESKHAND, "scheduler"], env=environment(tmp_path, DESKHAND_REDIS_URL=url), cwd=ROOT
    )
    every = {f"worker.jobs.{name}" for name in SECONDS_BETWEEN}
    try:
        wait_until(lambda: {job.func_name for job in queue.jobs} == every)
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
    queue.empty()


def test_the_schedule_names_jobs_of_the_queue() -> None:
    from app.core import jobs
    from worker import schedule

    assert set(schedule.SECONDS_BETWEEN) == {job.value for job in jobs.Job}
    assert (schedule.QUEUE, schedule.JOB_SECONDS) == (jobs.QUEUE, jobs.JOB_SECONDS)


def test_stopping_in_the_middle_of_the_outbox_sends_nothing_twice(tmp_path: Path) -> None:
    mails = 20
    with smtp_server() as inbox:
        third, told = threading.Event(), threading.Event()

        def take(envelope: Envelope) -> str:
            if len(inbox.envelopes) == 2:
                third.set()
                told.wait(60)  # the worker is told to stop while it sends the third
            return "250 OK"

        inbox.after_data = take
        environ = environment(
            tmp_path, DESKHAND_REDIS_URL=servers.redis_url(), DESKHAND_SMTP_URL=inbox.url
        )
        app = create_app(load(environ))
        with app.app_context():
            begin_write()
            flask_migrate.upgrade()
            begin_write()
            context = {"number": "TKT-7K2M9QXA", "subject": "x", "priority": "High"}
            outbox.queue(
                [
                    outbox.row("assigned", f"p{n}@x.example", context=context, now=utcnow())
                    for n in range(mails)
                ]
            )
            db.session.commit()  # rings
            db.engine.dispose()
        work_until(environ, third.is_set, told.set)
        assert len(inbox.envelopes) == 3
        with app.app_context():
            app.extensions["bells"].answered(Job.SEND_OUTBOX)
            app.extensions["bells"].ring(Job.SEND_OUTBOX)
        work_until(environ, lambda: len(inbox.envelopes) >= mails)
        assert len({mail.message_id for mail in inbox.mails}) == len(inbox.mails) == mails


def work_until(
    environ: dict[str, str], enough: Callable[[], bool], then: Callable[[], object] = bool
) -> None:
    """Run a worker until *enough*, then stop it, whatever happens *then*."""
    process = subprocess.Popen([*DESKHAND, "worker"], env=environ, cwd=ROOT)
    try:
        wait_until(enough)
        process.terminate()
        then()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
