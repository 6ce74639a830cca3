"""The fuzz targets without the fuzzer: the inputs that are kept, generated ones, and damaged seeds. With atheris, where
it is installed, a moment of the real thing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

from fuzz_targets import TARGETS, Target  # noqa: E402

# Every input to these writes and merges a partition, which takes milliseconds; LittleFS takes a process now and then.
EXAMPLES = {"nvs": 40, "spiffs": 100, "littlefs": 40, "pem": 150}

targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@targets
def test_the_inputs_that_are_kept(target: Target) -> None:
    seeds = target.seeds()
    assert len(seeds) >= 4
    for seed in seeds:
        target.run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_generated_inputs(name: str) -> None:
    target = TARGETS[name]

    @given(st.binary(max_size=300))
    @settings(max_examples=EXAMPLES.get(name, 400), deadline=None, database=None)
    def run(data: bytes) -> None:
        target.run(data)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds(name: str) -> None:
    target = TARGETS[name]

    @given(st.sampled_from(target.seeds()), st.data())
    @settings(
        max_examples=EXAMPLES.get(name, 400), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def run(seed: bytes, data: st.DataObject) -> None:
        damaged = bytearray(seed)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(damaged)))
            damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        target.run(bytes(damaged))

    run()


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed (extra 'fuzz')")
@pytest.mark.parametrize("name", TARGETS)
def test_the_fuzzer_runs(name: str, tmp_path: Path) -> None:
    inputs = 200 if name in EXAMPLES else 1500
    command = [sys.executable, str(FUZZ / "fuzz.py"), name, f"--inputs={inputs}", "--seed=1", f"--found={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {inputs} runs" in done.stderr
    assert not list(tmp_path.glob(f"{name}-crash-*"))


def test_an_unknown_target_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZ / "fuzz.py"), "nothing", f"--found={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert "no target 'nothing'; there are: mqtt" in last or "atheris is not installed" in last
