"""Each example in the documents does what the document says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hil import contract
from hil.cli import _parser
from hil.needs import _BENCH, _BOARD
from hil.rig_file import BoardConfig, RigFile

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (path.name, text) for path in DOCUMENTS for found, text in BLOCK.findall(path.read_text()) if found == language
    ]


def test_python_examples_pass_on_the_virtual_rig(tmp_path: Path) -> None:
    examples = blocks("python")
    assert len(examples) >= 2
    for number, (document, text) in enumerate(examples):
        (tmp_path / f"test_{number}_{document.replace('.', '_').replace('-', '_')}.py").write_text(text)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--board=esp32-a"),
            *(f"--rig={ROOT / 'rigs' / 'virtual.toml'}", f"--artifacts={tmp_path / 'artifacts'}", str(tmp_path)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(examples)} passed" in done.stdout


COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for language in ("", "sh", "console")
        for _, text in blocks(language)
        for line in text.split("\n")
        if line.strip().startswith("hil ")
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_hil_commands_are_understood(line: str) -> None:
    _parser().parse_args(shlex.split(line)[1:])


def test_files_that_the_documents_name_exist() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
        for name in re.findall(r"`((?:rigs|docs|benchmarks|tests|hil)/[\w/.-]+)`", path.read_text()):
            assert (ROOT / name).exists() or "my-" in name, f"{path.name} names {name}"


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        for target in re.findall(r"`make (\w+)", path.read_text()):
            assert target in targets, f"{path.name} names make {target}"


@pytest.mark.parametrize(
    ("model", "document"),
    [(RigFile, "rig.md"), (BoardConfig, "rig.md"), (contract.Contract, "contract.md")],
)
def test_every_key_is_described(model: type, document: str) -> None:
    text = (ROOT / "docs" / document).read_text()
    for key in model.model_fields:  # type: ignore[attr-defined]
        assert f"`{key}`" in text or f"[{key}" in text or f"`[{key}]`" in text, f"{document} does not describe {key}"


def test_every_need_is_described() -> None:
    text = (ROOT / "docs" / "writing-tests.md").read_text()
    for need in (*_BENCH, *_BOARD):
        assert f"`{need}`" in text, f"writing-tests.md does not describe the need {need}"
