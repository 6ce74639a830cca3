"""The doctor on the folders that a rig writes to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_host import FakeHost, board, found

from hil.credentials import Authority
from hil.doctor import surroundings
from hil.doctor.finding import Finding


def folders(tmp_path: Path) -> dict[str, Finding]:
    """What is found of each folder of a rig that keeps its authority."""
    table = 'artifacts = "runs"\n[credentials]\ndirectory = "kept/bench"'
    case = FakeHost(tmp_path / "root").case(tmp_path, board("/dev/x", table))
    return {finding.about: finding for finding in found(surroundings.CHECKS, "folders", case)}


def test_a_kept_authority_is_well_before_and_after_it_was_made(tmp_path: Path) -> None:
    assert {one.level for one in folders(tmp_path).values()} == {"ok"}
    Authority.kept(tmp_path / "kept" / "bench" / "authority")
    assert (tmp_path / "kept" / "bench").stat().st_mode & 0o044, "made as any folder is: its keys lie one further down"
    assert {one.level for one in folders(tmp_path).values()} == {"ok"}


def test_an_authority_that_others_may_read_is_told(tmp_path: Path) -> None:
    private = tmp_path / "kept" / "bench" / "authority"
    Authority.kept(private)
    private.chmod(0o755)
    told = folders(tmp_path)["credentials"]
    assert (told.level, told.cure) == ("fault", f"chmod -R go= {private}")


@pytest.mark.parametrize(("about", "key"), [("artifacts", "artifacts"), ("credentials", "credentials.directory")])
def test_a_folder_that_may_not_be_written_is_told_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: str, key: str
) -> None:
    # The tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    told = folders(tmp_path)[about]
    assert told.level == "fault"
    assert told.found == f"{tmp_path} may not be written by this user"
    assert told.cure == f"change {key} in the rig, or the owner of {tmp_path}"


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    assert folders(tmp_path)["credentials"].found == f"{tmp_path / 'kept'} is no folder"
