"""`hil case new`: a folder made of what somebody tells and of the files that the field sent.

Each file is read, looked through, and copied into the case without its secrets, for its owner alone.
"""

from __future__ import annotations

import datetime
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hil import run_folder
from hil.cases.candidates import comments
from hil.cases.capture import keep
from hil.cases.case import FILE, Case, CaseFile, EvidenceTable, FieldTable, FirmwareTable, digest, load
from hil.cases.cleaning import BLANK, clean, names_a_secret
from hil.cases.drafting import Accept, Draft, draft
from hil.cases.proposing import from_broker_log, from_chain, from_console, from_pcap, from_timeline
from hil.cases.proposing.recognising import EvidenceError, FieldFile, Kind, recognise
from hil.cases.proposing.sighting import Sighting
from hil.cases.trial import TrialTable
from hil.cases.writing import place, text
from hil.timeline import Event, load_by_worker
from hil.timeline.event import plain
from hil.wire.pcap import CaptureError

EVIDENCE = "evidence"
"""The folder in a case where its files lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What somebody tells.

    `board`, `test`: which of a timeline; `client`: which of a broker's log; `port`, `device`: which connections of a
    capture. `virtual`: for virtual boards. `choose`: which candidate is played. `look`: is asked where the files show
    nothing: what it looks like.
    """

    title: str
    story: str = ""
    source: str = ""
    reported: datetime.date | None = None
    version: str | None = None
    files: Sequence[Path] = ()
    board: str | None = None
    test: str | None = None
    client: str | None = None
    port: int | None = None
    device: str | None = None
    virtual: bool = False
    choose: int | None = None
    look: Callable[[], list[Sighting]] = list


@dataclass(slots=True)
class _Gathered:
    """What the files held."""

    sightings: list[Sighting] = field(default_factory=list)
    evidence: list[EvidenceTable] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    firmware: Mapping[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Created:
    """A new case, what is to be told about how it was made, a line each, and how many candidates there were."""

    case: Case
    notes: tuple[str, ...]
    candidates: int


def create(folder: Path, told: Told, accept: Accept | None = None) -> Created:
    """Make the case. `accept` is asked for each proposal; without it what is likely is taken.

    All of it is there at the end, or nothing. Raises EvidenceError for a file that cannot be taken, and for what was
    told of a kind of file that none is, NoSuchCandidate, FileExistsError for a folder with something in it, OSError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already; name a new folder for the case")
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        gathered = _Gathered()
        for path in told.files:
            _gather(room, path, told, gathered)
        _check_meant(told, gathered.kinds)
        told = _without_secrets(told, gathered)
        if not gathered.sightings and (looks := told.look()):
            gathered.sightings += looks
            accept = None  # who says what it looks like has said it
        made = draft(gathered.sightings, accept, virtual=told.virtual, choose=told.choose)
        for name, content in made.files.items():
            place(room / name, content)
        written = text(_file(told, gathered, made)) + comments(_hints(made))
        place(room / FILE, written.encode())
        load(room)
        room.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        room.rename(folder)
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        raise
    return Created(load(folder), (*gathered.notes, *made.told), made.candidates)


_MEANT: Mapping[str, tuple[Kind, str]] = {
    "board": ("timeline", "timeline"),
    "test": ("timeline", "timeline"),
    "client": ("broker-log", "broker's log"),
    "port": ("pcap", "capture"),
    "device": ("pcap", "capture"),
}
"""What is said of one kind of file: which, and that kind in a word."""


def _check_meant(told: Told, kinds: Sequence[Kind]) -> None:
    """Raise EvidenceError for what was said of a kind of file that none of the files is."""
    for name, (kind, words) in _MEANT.items():
        if getattr(told, name) is not None and kind not in kinds:
            raise EvidenceError(f"--{name}: says which part of a {words} is meant, and no file is one; leave it out")


def _without_secrets(told: Told, gathered: _Gathered) -> Told:
    """What was told, without what looks like a secret: a case is sent around."""
    title, story, source = (clean(text, prose=True) for text in (told.title, told.story, told.source))
    if count := title.count + story.count + source.count:
        gathered.notes.append(f"{count} secret(s) taken out of what was told")
    return replace(told, title=title.text, story=story.text, source=source.text)


def _file(told: Told, gathered: _Gathered, made: Draft) -> CaseFile:
    steps = {"steps": gathered.steps} if gathered.steps else {}
    known = gathered.firmware
    return CaseFile(
        title=told.title,
        reported=told.reported,
        source=told.source,
        story=told.story,
        firmware=FirmwareTable(version=told.version or _word(known.get("version")), options=made.options),
        field=FieldTable(**gathered.facts),
        condition=made.conditions,
        trial=TrialTable.model_validate(made.trial | steps),
        signature=made.signature,
        evidence=gathered.evidence,
    )


def _hints(made: Draft) -> list[str]:
    hints = list(made.hints)
    if made.signature is None:
        hints += ["", "What does the failure look like on the timeline? docs/cases.md, [signature]. Such as:"]
        hints += ["[signature]", "never = [{ online = true }]"]
    return hints


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# -- one file ------------------------------------------------------------------------------------------------------


def _gather(room: Path, path: Path, told: Told, gathered: _Gathered) -> None:
    found = recognise(path)
    kind = found.kind
    name = _free_name(room, _NAMES.get(kind, path.name.removesuffix(".gz")))
    gathered.notes.append(f"{path}: taken for {KINDS[kind]}")
    gathered.kinds.append(kind)
    before = len(gathered.sightings)
    board, content = _READERS[kind](path, found, f"{EVIDENCE}/{name}", told, gathered)
    if len(gathered.sightings) == before:
        gathered.notes.append(f"{path}: nothing in it is known to go with a failure")
    target = room / EVIDENCE / name
    place(target, content, 0o600)
    gathered.evidence.append(EvidenceTable(file=f"{EVIDENCE}/{name}", kind=kind, sha256=digest(target), board=board))


KINDS: Mapping[Kind, str] = {
    "timeline": "a timeline",
    "broker-log": "a broker's log",
    "console": "a device's log",
    "pcap": "a capture of a network",
    "chain": "a device's certificates",
}
"""The kinds of files in words."""

_NAMES: Mapping[Kind, str] = {"timeline": "timeline.jsonl", "pcap": "capture.pcap"}
"""What a copy is called that is no longer the file that was sent."""


def _free_name(room: Path, name: str) -> str:
    """The file's name, or with a number where two files of the field have one name."""
    stem, dot, ending = name.lstrip(".").rpartition(".")
    names = [name, *(f"{stem}-{number}{dot}{ending}" for number in range(2, 1000))]
    return next(each for each in names if not (room / EVIDENCE / each).exists())


def _text_of(path: Path, found: FieldFile, gathered: _Gathered) -> str:
    """A log's text without its secrets."""
    cleaned = clean(found.text)
    if cleaned.count:
        gathered.notes.append(f"{path}: {cleaned.count} secret(s) taken out of the copy")
    return cleaned.text


Read = tuple[str | None, bytes]
"""The board that a file is about, if it says so, and what is kept of it."""


def _broker_log(path: Path, found: FieldFile, name: str, told: Told, gathered: _Gathered) -> Read:
    content = _text_of(path, found, gathered)
    sightings, facts = from_broker_log.look(name, content, told.client)
    gathered.sightings += sightings
    gathered.facts |= facts
    return None, content.encode()


def _console(path: Path, found: FieldFile, name: str, told: Told, gathered: _Gathered) -> Read:
    content = _text_of(path, found, gathered)
    sightings, facts = from_console.look(name, content)
    gathered.sightings += sightings
    gathered.facts |= facts
    return None, content.encode()


def _timeline(path: Path, found: FieldFile, name: str, told: Told, gathered: _Gathered) -> Read:
    file, merged = run_folder.timeline_of(path)
    if merged is not None:
        gathered.notes.append(f"{path}: merged what the workers of a run that was cut off had left")
    try:
        part = from_timeline.surest(name, load_by_worker(file), board=told.board, test=told.test)
    except ValueError as error:
        raise EvidenceError(str(error)) from None
    gathered.notes.append(f"{file}: board {part.stretch.board}, {part.stretch.name}")
    gathered.sightings += part.sightings
    gathered.firmware = part.facts
    gathered.steps = part.steps
    return part.stretch.board, b"".join(map(_line, part.events))


def _line(event: Event) -> bytes:
    """An event as a timeline's file has it, without what looks like a secret."""
    row = {
        "sequence": event.sequence,
        "monotonic": event.monotonic,
        "wall": event.wall,
        "source": event.source,
        "kind": event.kind,
        "board": event.board,
        "data": _cleaned(plain(event.data)),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value).text
    if isinstance(value, dict):
        return {key: _named(key, inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _named(key: str, value: Any) -> Any:
    """What stands under a name: a text below one such as `wifi_pass` is a secret, whatever it is."""
    return BLANK if isinstance(value, str) and value and names_a_secret(key) else _cleaned(value)


def _pcap(path: Path, found: FieldFile, name: str, told: Told, gathered: _Gathered) -> Read:
    try:
        kept = keep(found.data, port=told.port, device=told.device)
    except CaptureError as error:
        raise EvidenceError(f"{path}: {error}") from None
    if not kept.packets:
        raise EvidenceError(
            f"{path}: has no connection that speaks TLS or MQTT, nor one to their ports, of those that are meant"
        )
    sightings, facts = from_pcap.look(name, kept)
    gathered.sightings += sightings
    gathered.facts |= facts
    gathered.notes.append(
        f"{path}: {len(kept.packets)} packets kept, {kept.left_out} left out; {kept.blanked} password(s) overwritten, "
        f"{kept.stripped} connection(s) in clear kept without what they said"
    )
    if kept.clients > 1 or kept.servers > 1:
        gathered.notes.append(
            f"{path}: {kept.clients} device(s) and {kept.servers} server port(s) in it; what goes wrong with one is "
            "clearer with --device and --port"
        )
    return None, kept.bytes()


def _chain(path: Path, found: FieldFile, name: str, told: Told, gathered: _Gathered) -> Read:
    content = _text_of(path, found, gathered)
    day = told.reported or datetime.datetime.now(datetime.UTC).date()
    noon = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
    sightings, facts = from_chain.look(name, content, noon.timestamp())
    gathered.sightings += sightings
    gathered.facts |= facts
    return None, content.encode()


_READERS: Mapping[Kind, Callable[[Path, FieldFile, str, Told, _Gathered], Read]] = {
    "timeline": _timeline,
    "broker-log": _broker_log,
    "console": _console,
    "pcap": _pcap,
    "chain": _chain,
}
