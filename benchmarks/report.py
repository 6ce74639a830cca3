"""The report of a large run: how long it takes to make, how large it is, how soon it is open, whether it stays smooth.

    python benchmarks/report.py [--tests 200] [--events 500000] [--keep FOLDER]

Beside it pytest-html's self-contained page of a run with the same tests, each with the same events as its log: what one
would look at without a page of our own. Both are opened by the same Chromium, in turn. A frame's time is measured while
the wheel zooms a test with a fifth of all events, and while its list is scrolled.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from hil import facts, rig
from hil.report import results, runs
from hil.timeline import render

RIG = Path(__file__).parents[1] / "rigs" / "virtual.toml"
CHROMIUM = os.environ.get("HIL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
BOARDS = ("esp32-a", "esp32c3-a")
BEGAN = 1_795_800_000.0
OPENS = 5

LOGGED = """
import logging, pathlib, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    logging.getLogger("hil").warning(pathlib.Path(r"{folder}", str(number)).read_text())
    assert number % 20
"""


def lives(
    rng: random.Random, board: str, at: float, count: int
) -> Iterator[tuple[float, str, str, str | None, dict[str, Any]]]:
    """What a board does in a test, made up, in the proportions of a real run; times in monotonic seconds."""
    yield at, "test", "start", board, {"name": "test_it"}
    yield at, "power", "on", board, {"switch": "virtual"}
    connection = rng.randrange(1 << 30)
    yield at, "gateway", "accept", board, {"connection": connection, "peer": "127.0.0.1:40000"}
    yield at, "gateway", "tls", board, {"connection": connection, "version": "TLSv1.2", "subject": f"CN={board}"}
    about = {"connection": connection, "direction": "up", "topic": f"devices/{board}/telemetry", "qos": 1}
    for number in range(count - 6):
        at += rng.expovariate(count / 20)
        payload = json.dumps({"seq": number, "uptime": round(at * 1000), "heap": rng.randrange(150_000, 180_000)})
        choice = rng.random()
        if choice < 0.5:
            level = rng.choices("IWE", (90, 8, 2))[0]
            yield (
                at,
                "console",
                "line",
                board,
                {"text": f"{level} ({round(at * 1000)}) app: sample {number} is {rng.random():.4f}"},
            )
        elif choice < 0.65:
            yield at, "gateway", "publish", board, {**about, "payload": payload, "packet_id": number % 65535 + 1}
        elif choice < 0.78:
            down = {"connection": connection, "direction": "down", "packet_id": number % 65535 + 1, "code": 0}
            yield at, "gateway", "puback", board, down
        elif choice < 0.9:
            yield (
                at,
                "broker",
                "log",
                None,
                {"text": f"Received PUBLISH from {board} (d0, q1, r0, m{number}, ({len(payload)} bytes))"},
            )
        else:
            yield at, "monitor", "message", None, {"topic": about["topic"], "payload": payload, "qos": 1}
    yield at, "gateway", "close", board, {"connection": connection, "by": "gateway", "how": "reset", "seconds": 1.0}
    yield at, "power", "off", board, {"switch": "virtual"}


def make_run(folder: Path, tests: int, events: int) -> None:
    """A run's folder: one test has a fifth of all events, as many lie outside of tests, the others share the rest.

    Each twentieth test fails.
    """
    folder.mkdir(parents=True)
    facts.write(rig.load(RIG), folder)
    rng, at = random.Random(7), 1000.0
    outside = events // 5 // tests
    each = (events - events // 5 * 2) // (tests - 1)
    sequence = count()
    with (folder / "timeline.jsonl").open("w") as timeline, (folder / results.FILE).open("w") as told:
        for number in range(tests):
            board, began = BOARDS[number % 2], at
            for event in lives(rng, board, began, events // 5 if number == 1 else each):
                timeline.write(line(next(sequence), *event))
                at = event[0]
            for phase in phases(number, board, began, at):
                told.write(json.dumps(phase) + "\n")
            at += 0.01
            for n in range(outside):
                idle = {"text": f"I ({round(at * 1000)}) app: idle {n}"}
                timeline.write(line(next(sequence), at, "console", "line", board, idle))
            at += 0.01


def line(sequence: int, at: float, source: str, kind: str, board: str | None, data: dict[str, Any]) -> str:
    """A line of a timeline's file."""
    about = {"sequence": sequence, "monotonic": at, "wall": BEGAN + at, "source": source, "kind": kind}
    return json.dumps({**about, "board": board, "data": data}, separators=(",", ":")) + "\n"


def phases(number: int, board: str, began: float, ended: float) -> Iterator[dict[str, Any]]:
    """The lines of results.jsonl for one test."""
    about: dict[str, Any] = {
        "test": f"test_it.py::test_{number // 2}[{board}]",
        "name": f"test_{number // 2}[{board}]",
        "board": board,
    }
    about |= {
        "scenario": f"behaves well in case {number // 2}",
        "about": "What it judges, in a sentence.",
        "worker": None,
    }
    for when, first, last in (("setup", began, began), ("call", began, ended), ("teardown", ended, ended + 0.001)):
        bad = when == "call" and number % 20 == 0
        failure = "E   AssertionError: no answer within 10 s" if bad else None
        spent = {"began": first, "ended": last, "wall": BEGAN + last, "seconds": last - first}
        yield {**about, **spent, "phase": when, "outcome": "failed" if bad else "passed", "failure": failure}


def pytest_html(run: runs.Run, folder: Path) -> Path:
    """The other tool's page of the same tests, with their timelines as its logs."""
    tools, logs = folder / "tools", folder / "logs"
    logs.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(tools)]
    subprocess.run([*pip, "pytest-html"], check=True, capture_output=True)
    for number, result in enumerate(run.results):
        (logs / str(number)).write_text(render(run.events_of(result), most=10**9))
    (folder / "test_it.py").write_text(LOGGED.format(tests=len(run.results), folder=logs))
    page = folder / "other.html"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hil", f"--html={page}"]
    command += ["--self-contained-html", "--show-capture=no", "test_it.py"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(tools)}, capture_output=True, check=False)
    return page


def opening(browser: Any, page: Path, ready: str) -> float:
    """Seconds from the address to the first frame in which the page is whole, in a new window."""
    window = browser.new_page(viewport={"width": 1500, "height": 1000})
    start = time.perf_counter()
    window.goto(f"file://{page}", wait_until="load")
    window.wait_for_selector(ready, state="attached")
    window.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    took = time.perf_counter() - start
    window.close()
    return took


FRAMES = """
async ([act, count]) => {
  const canvas = document.getElementById('picture'), list = document.getElementById('list'), times = [];
  const next = () => new Promise(requestAnimationFrame);
  let before = await next();
  for (let n = 0; n < count; n++) {
    const turn = { deltaY: n < count / 2 ? -60 : 60, bubbles: true, cancelable: true, clientX: 500, clientY: 300 };
    if (act === 'zoom') canvas.dispatchEvent(new WheelEvent('wheel', turn));
    else list.scrollTop += 3000;
    const now = await next();
    times.push(now - before);
    before = now;
  }
  return times;
}
"""


def smoothness(browser: Any, page: Path, tests: int, keep: Path | None) -> None:
    window = browser.new_page(viewport={"width": 1500, "height": 1000})
    window.goto(f"file://{page}")
    window.wait_for_selector("html[data-ready]")
    for number, words in (
        (tests, "what lies outside of tests, of one board,"),
        (1, "the test with a fifth of all events"),
    ):
        start = time.perf_counter()
        window.evaluate(f"location.hash = 'test-{number}'")
        window.wait_for_selector(f"html[data-test='{number}'] #detail:not([hidden]) #list .row")
        print(f"{words} is open after {time.perf_counter() - start:.2f} s")
    for act in ("zoom", "scroll"):
        took = sorted(window.evaluate(FRAMES, [act, 120]))
        late = took[int(len(took) * 0.95)]
        print(f"{act}: a frame each {statistics.median(took):.1f} ms, 95 % within {late:.1f} ms (asked: 16.7 and 33)")
    if keep is not None:
        for scheme in ("light", "dark"):
            window.emulate_media(color_scheme=scheme)
            window.wait_for_timeout(200)
            window.screenshot(path=str(keep / f"large-{scheme}.png"))
    window.close()


def measure(folder: Path, tests: int, events: int, keep: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    make_run(folder / "run", tests, events)
    page = folder / "run" / "report.html"
    subprocess.run(
        [sys.executable, "-m", "hil.cli", "report", str(folder / "run"), "--as", "html", "--to", str(page)], check=True
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.process_time()
    run = runs.read(folder / "run")
    read = time.process_time() - start
    events = sum(len(part.events) for part in run.parts)
    print(f"{tests} tests, {events:,} events: the page is {page.stat().st_size / 1e6:.1f} MB")
    print(f"processor's time: {used.ru_utime + used.ru_stime:.1f} s in all, {read:.1f} s to read the run; ", end="")
    print(f"memory: {used.ru_maxrss / 1024:.0f} MB at most")
    other = pytest_html(run, folder / "other")
    del run
    print(f"pytest-html's page: {other.stat().st_size / 1e6:.1f} MB")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        ours, theirs = [], []
        for _ in range(OPENS):
            ours.append(opening(browser, page, "html[data-ready]"))
            theirs.append(opening(browser, other, "#results-table tbody"))
        o, t = statistics.median(ours), statistics.median(theirs)
        print(f"open in Chromium: {o:.2f} s (the slowest {max(ours):.2f} s, asked: 3 s); ", end="")
        print(f"pytest-html {t:.2f} s: {o / t:.2f} times")
        smoothness(browser, page, tests, keep)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tests", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--events", type=int, default=500_000, help="in all of them (default: 500000)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave run, pages and pictures here")
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("found no chromium; install it, or name one in HIL_CHROMIUM")
    with contextlib.ExitStack() as stack:
        place = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure(place, options.tests, options.events, options.keep)
