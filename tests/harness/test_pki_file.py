"""A hierarchy's file: issuers found, combinations made, and each fault one line with file and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pki_files import SMALL, described

from hil.pki.constraints import breaches
from hil.toml import FileError

REGIONS = """
[authorities.root]
[authorities.region]
issuer = "root"
each = { geography = ["nz", "eu"] }
[authorities.maker]
issuer = "region-{geography}"
each = { geography = ["nz", "eu"], device_type = ["sensor", "valve"] }
subject = { OU = "{device_type}s of {geography}" }
[devices.s]
device_type = "sensor"
geography = "eu"
each = { number = ["001", "002"] }
subject = { CN = "sensor-{number}" }
names = ["uri:urn:{geography}:{number}"]
[devices.other]
geography = "nz"
customer = "acme"
"""


def test_combinations_and_the_closest_authority(tmp_path: Path) -> None:
    entries = described(tmp_path, REGIONS).plan.entries
    issuers = {name: entry.issuer for name, entry in entries.items()}
    assert issuers["maker-valve-eu"] == "region-eu"
    assert issuers["s-001"] == "maker-sensor-eu"
    assert issuers["other"] == "region-nz"
    assert entries["s-002"].subject == {"CN": "sensor-002"}
    assert entries["s-002"].usage.names == ("uri:urn:eu:002",)
    assert entries["maker-valve-eu"].subject == {"OU": "valves of eu", "CN": "maker-valve-eu"}
    order = list(entries)
    assert all(entry.issuer is None or order.index(entry.issuer) < order.index(n) for n, entry in entries.items())


def test_path_lengths_are_as_short_as_the_hierarchy_allows(tmp_path: Path) -> None:
    entries = described(tmp_path, REGIONS).plan.entries
    found = {name: entries[name].usage.path_length for name in ("root", "region-nz", "maker-valve-nz")}
    assert found == {"root": None, "region-nz": 1, "maker-valve-nz": 0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('issuer = "root"', 'isuer = "root"'), "authorities.site.isuer: found a key that is not known; did you mean"),
        (('issuer = "root"', 'issuer = "rot"'), "authorities.site.issuer: found 'rot', expected one of: root, site"),
        (('issuer = "root"', 'issuer = "site"'), "authorities.site.issuer: found a circle"),
        (
            ("[authorities.root]", "[authorities.root]\npath_length = 0"),
            "authorities.root.path_length: found 0, expected",
        ),
        (("[authorities.root]", "[authorities.root]\ndays = -1"), "authorities.root.days: found -1, expected"),
        (("[authorities.root]", '[authorities.root]\nalgorithm = "md5"'), "authorities.root.algorithm: found 'md5'"),
        (("[authorities.root]", '[authorities.root]\nsubject = { C = "nz" }'), "found C 'nz', expected two capital"),
        (("[authorities.root]", f'[authorities.root]\nsubject = {{ O = "{"x" * 65}" }}'), "expected 1 to 64 printable"),
        (("[authorities.root]", '[authorities.root]\nsubject = { CN = "{board}" }'), "unknown placeholder '{board}'"),
        (("[authorities.root]", '[authorities.root]\nsubject = { CN = "{customer}" }'), "unknown placeholder"),
        (("[authorities.root]", "[authorities.root]\neach = { number = [] }"), "authorities.root.each: expected at"),
        (("esp32-b", "root"), "devices.root: found the name 'root' a second time"),
        (("esp32-b", '"a b"'), "devices.a b: found name 'a b', expected letters"),
        (('[devices.esp32-b]\nissuer = "site"', "[devices.b]"), "devices.b: no authority is for its type and places"),
        (
            ("[devices.esp32-b]", '[devices.esp32-b]\nnames = ["dns:a:1"]'),
            "devices.esp32-b: found server name 'dns:a:1'",
        ),
        (("[devices.esp32-b]", "[devices.esp32-b]\nself_signed = true"), "found 'site' beside self_signed"),
        (("[authorities.root]", "[authorities.root]\nname_constraints = {}"), "name_constraints: found no constraint"),
    ],
)
def test_each_fault_is_one_line_that_names_file_and_key(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    with pytest.raises(FileError) as caught:
        described(tmp_path, SMALL.replace(*change))
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{tmp_path / 'pki.toml'}: ") for line in lines)
    assert len(lines) == 1
    assert expected in lines[0]


@pytest.mark.parametrize("wrong", ['"hunter2"', '{ env = "hunter 2" }', '{ word = "hunter2" }', "{}"])
def test_a_passphrase_in_the_file_is_refused_and_not_shown(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(FileError) as caught:
        described(tmp_path, SMALL.replace("[authorities.root]", f"[authorities.root]\npassphrase = {wrong}"))
    assert "authorities.root.passphrase" in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_two_faults_are_two_lines(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        described(tmp_path, SMALL.replace('issuer = "site"', 'issuer = "sight"'))
    assert [line.split(":")[1].strip() for line in str(caught.value).split("\n")] == [
        "devices.esp32-a.issuer",
        "devices.esp32-b.issuer",
    ]


def test_the_files_in_the_document_load(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()
    files = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[authorities" in block]
    assert [len(described(tmp_path, file).plan.entries) for file in files] == [3, 9]


def test_authorities_that_fit_equally(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"devices\.x: a, b fit equally, expected issuer = one of: root, a, b"):
        described(
            tmp_path,
            '[authorities.root]\n[authorities.a]\nissuer="root"\ngeography="nz"\n'
            '[authorities.b]\nissuer="root"\ncustomer="acme"\n[devices.x]\ngeography="nz"\ncustomer="acme"\n',
        )


@pytest.mark.parametrize(
    ("name", "permitted", "excluded", "good"),
    [
        ("dns:a.example.com", ["dns:example.com"], [], True),
        ("example.com", ["dns:example.com"], [], True),
        ("dns:badexample.com", ["dns:example.com"], [], False),
        ("dns:a.example.com", [], ["dns:example.com"], False),
        ("dns:a.example.com", ["ip:10.0.0.0/8"], [], True),
        ("10.1.2.3", ["ip:10.0.0.0/8"], [], True),
        ("ip:11.1.2.3", ["ip:10.0.0.0/8"], [], False),
        ("ip:::1", ["ip:10.0.0.0/8"], [], False),
        ("email:a@example.com", ["email:example.com"], [], True),
        ("email:a@x.example.com", ["email:example.com"], [], False),
        ("email:a@x.example.com", ["email:.example.com"], [], True),
        ("uri:https://x.example.com/y", ["uri:.example.com"], [], True),
        ("uri:https://example.org/y", ["uri:.example.com"], [], False),
        ("uri:urn:a", [], ["uri:.example.com"], False),
    ],
)
def test_name_constraints(name: str, permitted: list[str], excluded: list[str], good: bool) -> None:
    assert (list(breaches([name], permitted, excluded)) == []) == good


def test_a_name_that_the_constraints_above_forbid_is_a_fault_of_the_file(tmp_path: Path) -> None:
    limited = SMALL.replace("[authorities.root]", '[authorities.root]\nname_constraints.permitted = ["dns:a.test"]')
    with pytest.raises(FileError, match=r"devices\.esp32-b\.names: found 'b\.test'.*constraints of root do not allow"):
        described(tmp_path, limited + 'names = ["b.test"]\n')
