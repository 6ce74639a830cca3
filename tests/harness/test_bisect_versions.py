"""What a bisection walks over: images, or revisions of a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from made_up_trials import MadeUpRunner
from test_reproduce_journal import begun

from hil.bisect import Ending, Walk, wording
from hil.bisect.building import Revisions
from hil.bisect.play import play, resume
from hil.bisect.revisions import GitError, between
from hil.bisect.versions import CannotBeTried, Images, listed
from hil.cases import load
from hil.reproduce import Outcome, Trial
from hil.reproduce.firmwares import named

CASE = """
title = "made up"
[signature]
never = [{ online = true }]
"""


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@hil.test", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def commit(repo: Path, content: str, subject: str = "a change") -> str:
    (repo / "value").write_text(content)
    git(repo, "add", "value")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", subject)
    return git(repo, "rev-parse", "HEAD")


def revisions(
    repo: Path, good: str, bad: str, folder: Path, build: str = "cp value app.bin", **more: bool
) -> Revisions:
    return Revisions(repo, good, bad, build=build, image="app.bin", folder=folder, **more)


def quiet(line: str) -> None:
    pass


# -- names ---------------------------------------------------------------------------------------------------------


def test_firmwares_are_called_by_the_shortest_name_that_tells_them_apart() -> None:
    assert named([Path("/b/1.4.1.bin"), Path("/b/1.4.2.bin")]) == ["1.4.1", "1.4.2"]
    assert named([Path("/b/1.4.1/app.bin"), Path("/b/1.4.2/app.bin")]) == ["1.4.1/app", "1.4.2/app"]
    assert named([Path("/b/1.4.1"), Path("/b/1.4.2")]) == ["1.4.1", "1.4.2"]
    assert named([Path("/b/a.bin"), Path("/b/a.hex")]) == ["a.bin", "a.hex"]
    with pytest.raises(ValueError, match=r"found /b/a\.bin twice"):
        named([Path("/b/a.bin"), Path("/b/x/../a.bin")])


def test_a_list_names_images_from_its_own_folder_on(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# oldest first\n\n1.bin\n builds/2.bin  # the bad one\n")
    assert listed(tmp_path / "list") == [tmp_path / "1.bin", tmp_path / "builds" / "2.bin"]
    (tmp_path / "image").write_bytes(b"\xe9\xff\x96")
    for name, words in (("image", "is no text"), ("gone", "No such file or directory")):
        with pytest.raises(ValueError, match=f"^--list: .*/{name}: {words}; expected a file that names an image a "):
            listed(tmp_path / name)


def test_images_are_known_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "1.bin").write_bytes(b"one")
    folder = tmp_path / "2"
    folder.mkdir()
    (folder / "app.bin").write_bytes(b"two")
    images = Images([tmp_path / "1.bin", folder])
    before = [version.identity for version in images.versions]
    (folder / "app.bin").write_bytes(b"three")
    after = [version.identity for version in Images([tmp_path / "1.bin", folder]).versions]
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert images.image(1, quiet) == folder
    with pytest.raises(ValueError, match="expected two or more"):
        Images([tmp_path / "1.bin"])
    with pytest.raises(ValueError, match="no such firmware; build it first"):
        Images([tmp_path / "1.bin", tmp_path / "none.bin"])


# -- git -----------------------------------------------------------------------------------------------------------


def test_revisions_are_built_in_a_checkout_of_their_own_and_once(repo: Path, tmp_path: Path) -> None:
    commits = [commit(repo, str(number), f"change {number}") for number in range(4)]
    (repo / "value").write_text("not committed")
    with revisions(repo, commits[0], "main", tmp_path / "work", "echo built; cat value > app.bin") as found:
        assert [version.identity for version in found.versions] == commits
        assert found.versions[2].about.endswith(": change 2")
        said: list[str] = []
        for place in (2, 0, 3, 2):
            assert found.image(place, said.append).read_text() == str(place)
        assert len(said) == 3
        assert "change 2" in said[0]
    assert (repo / "value").read_text() == "not committed"
    assert git(repo, "rev-parse", "HEAD") == commits[3]
    assert git(repo, "worktree", "list").count("\n") == 0
    assert not (tmp_path / "work" / "source").exists()
    with revisions(repo, commits[0], "main", tmp_path / "work", "false") as again:
        assert again.image(2, quiet).read_text() == "2"


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (
            "echo 'main.c:7: \033[31merror\033[0m: no semicolon' >&2; exit 2",
            "its build failed (main.c:7: error: no semi",
        ),
        ("true", "its build made no app.bin"),
        ("sleep 60", "its build took longer than 0 s"),
    ],
)
def test_a_build_that_fails_says_why(repo: Path, tmp_path: Path, build: str, why: str) -> None:
    first, second = commit(repo, "1"), commit(repo, "2")
    work = tmp_path / "work"
    seconds = 0.3 if "sleep" in build else 30.0
    with Revisions(repo, first, second, build=build, image="app.bin", folder=work, seconds=seconds) as found:
        with pytest.raises(CannotBeTried) as caught:
            found.image(1, quiet)
        assert why in str(caught.value)
        assert (work / "builds" / f"{second}.log").exists()


def test_an_image_that_the_revision_before_left_is_not_taken(repo: Path, tmp_path: Path) -> None:
    first, second = commit(repo, "1"), commit(repo, "broken")
    with revisions(repo, first, second, tmp_path / "work", "grep -q broken value || cp value app.bin") as found:
        found.image(0, quiet)
        with pytest.raises(CannotBeTried, match=r"made no app\.bin"):
            found.image(1, quiet)


def test_which_revisions_contain_which_is_gits_affair(repo: Path) -> None:
    first = commit(repo, "0", "base")
    git(repo, "checkout", "--quiet", "-b", "side")
    side = commit(repo, "side", "side")
    git(repo, "checkout", "--quiet", "main")
    main = commit(repo, "main", "main")
    git(repo, "merge", "--quiet", "--no-ff", "-s", "ours", "-m", "merge", "side")
    found, contained = between(repo, first, "HEAD", first_parent=False)
    place = {revision.commit: number for number, revision in enumerate(found)}
    assert len(found) == 4
    merge = place[git(repo, "rev-parse", "HEAD")]
    assert contained[place[side] - 1] == 1 << place[side] | 1 << merge
    assert contained[place[main] - 1] == 1 << place[main] | 1 << merge
    straight, row = between(repo, first, "HEAD", first_parent=True)
    assert [revision.commit for revision in straight] == [first, main, git(repo, "rev-parse", "HEAD")]
    assert row == [0b110, 0b100]


def test_what_git_cannot_do_is_said_in_a_line(repo: Path, tmp_path: Path) -> None:
    first, second = commit(repo, "1"), commit(repo, "2")
    git(repo, "checkout", "--quiet", "-b", "other", first)
    other = commit(repo, "3")
    for good, bad, words in (
        ("nothing", second, "there is no revision 'nothing'"),
        ("--help", second, "there is no revision '--help'"),
        (first, first, "are the same revision"),
        (other, second, f"their common ancestor {first[:12]}"),
    ):
        with pytest.raises(GitError, match=words):
            between(repo, good, bad, first_parent=False)
    with pytest.raises(GitError, match="not a git repository"):
        between(tmp_path, "a", "b", first_parent=False)
    with pytest.raises(ValueError, match="expected a path from the top of the checkout"):
        Revisions(repo, first, second, build="true", image="../app.bin", folder=tmp_path)


# -- the whole walk, without a bench -----------------------------------------------------------------------------


def test_a_repository_is_walked_to_the_first_bad_revision_and_goes_on_where_it_was(repo: Path, tmp_path: Path) -> None:
    """Revision 5 brings the failure, 3 does not build; the first walk is broken off after some trials."""
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.toml").write_text(CASE)
    case = load(tmp_path / "case")
    commits = [commit(repo, f"{number}", f"change {number}") for number in range(9)]

    def fails(tried: object, board: str) -> tuple[float, float]:
        image = Path(tried.firmware.image)  # type: ignore[attr-defined]
        return (0.7 if int(image.read_text()) >= 5 else 0.0), 0.05

    build = "grep -qx 3 value && exit 1; cp value app.bin"
    run, said = MadeUpRunner(fails), list[str]()
    for most in (9, 500):
        work = tmp_path / "work"
        with revisions(repo, commits[0], "main", work, build) as versions, begun(work, {"case": "x"}) as journal:
            walk = Walk(versions.contained, most=most)
            assert resume(walk, versions, journal) == (0 if most == 9 else 9)
            play(walk, versions, case, run, journal, said.append)
            result = walk.result()
    assert result.ending is Ending.FOUND
    assert [versions.versions[place].identity for place in result.suspects] == [commits[5]]
    text = wording.lines(result, versions.versions)
    short = versions.versions[5].name
    assert any(line.startswith(f"first bad: {short} (") for line in text)
    assert any(line.endswith(": change 5") for line in text)
    told = json.loads(json.dumps(wording.facts(result, versions.versions)))
    assert told["first_bad"][0]["identity"] == commits[5]
    assert sum(version["tries"] for version in told["versions"]) == result.trials == run.trials


def test_a_bench_that_was_broken_is_asked_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(3)]
    for path in paths:
        path.write_text(path.name)
    versions = Images(paths)
    with begun(tmp_path / "work", {}) as journal:
        for number in range(40):
            journal.trial("2", Trial(number, "a", "", Outcome.NOT_RUN, 0.0, "the port is gone"))
    with begun(tmp_path / "work", {}) as journal:
        walk = Walk(versions.contained)
        assert resume(walk, versions, journal) == 0
        assert walk.next_turn() is not None


@pytest.mark.parametrize("of", ["0", "2"])
def test_an_end_that_could_not_be_tried_is_tried_again(tmp_path: Path, of: str) -> None:
    """Its compiler was not there, say: no other version tells anything without it."""
    paths = [tmp_path / f"{number}.bin" for number in range(3)]
    for path in paths:
        path.write_text(path.name)
    versions = Images(paths)
    with begun(tmp_path / "work", {}) as journal:
        journal.skip(of, "its build failed")
        journal.skip("1", "its build failed")
    with begun(tmp_path / "work", {}) as journal:
        walk = Walk(versions.contained)
        resume(walk, versions, journal)
    assert walk.next_turn() is not None
    assert [bool(tally.skipped) for tally in walk.tallies] == [False, True, False]


def test_a_version_that_the_bench_cannot_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.toml").write_text(CASE)
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.bin")
        paths[-1].write_text(str(number))
    versions = Images(paths)

    class Bench(MadeUpRunner):
        def _outcome(self, case: object, board: str) -> Outcome:
            number = int(Path(case.firmware.image).read_text())  # type: ignore[attr-defined]
            if number == 2:
                return Outcome.NOT_RUN
            return Outcome.REPRODUCED if number >= 3 else Outcome.PASSED

    with begun(tmp_path / "work", {}) as journal:
        walk = Walk(versions.contained)
        play(walk, versions, load(tmp_path / "case"), Bench(lambda case, board: (0, 0)), journal, quiet)
    result = walk.result()
    assert result.ending is Ending.FOUND
    assert result.suspects == (2, 3)
    assert (result.tallies[2].skipped or "").startswith("could not be run")
    text = "\n".join(wording.lines(result, versions.versions))
    assert "first bad: one of 2, 3" in text
    assert "2  passed over: could not be run" in text
    with begun(tmp_path / "work", {}) as journal:
        assert all(entry.skipped is None for entry in journal.entries), "when it goes on the bench may be well"
