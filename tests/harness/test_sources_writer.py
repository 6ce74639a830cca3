"""Source constants: what the compiler makes of them is the PEM, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from hil.sources import Constant, Language, Number, SourceError, write

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----\n"
ODD = b'no final line, "quotes" \\ and \\n, ?? and )PEM" \ttab\r\nend'
NASTY = ["CN=a\\", "CN=b ??/", "*/ int x; /*", "line\u2028feed\x0b\u202e", "-*- coding: utf-16 -*-", "two\nlines"]
ITEMS = [Constant("FIRST", PEM, NASTY), Constant("SECOND", PEM + PEM), Constant("THIRD", ODD), Constant("EMPTY", b"")]

PRINT = "".join(f"fwrite({item.name}, 1, sizeof {item.name} - 1, stdout); fputc(0, stdout);" for item in ITEMS)


@pytest.mark.parametrize(
    ("compiler", "style", "standard"),
    [("gcc", "lines", "c99"), ("g++", "lines", "c++11"), ("g++", "raw", "c++17")],
)
def test_a_c_compiler_sees_the_same_bytes(tmp_path: Path, compiler: str, style: str, standard: str) -> None:
    if which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    (tmp_path / "credentials.h").write_text(write("c", ITEMS, style=style))
    source = tmp_path / ("main.cpp" if compiler == "g++" else "main.c")
    source.write_text(f'#include <stdio.h>\n#include "credentials.h"\nint main(void) {{ {PRINT} return 0; }}\n')
    program = tmp_path / "program"
    command = [compiler, f"-std={standard}", "-Wall", "-Werror", "-o", str(program), str(source)]
    subprocess.run(command, check=True, timeout=300)
    seen = subprocess.run([program], check=True, capture_output=True, timeout=300).stdout.split(b"\0")[:-1]
    assert seen == [item.pem for item in ITEMS]


@pytest.mark.parametrize("style", ["lines", "raw"])
def test_python_sees_the_same_bytes(tmp_path: Path, style: str) -> None:
    module = tmp_path / "credentials.py"
    module.write_bytes(write("python", ITEMS, style=style).encode())
    names = ", ".join(item.name for item in ITEMS)
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import credentials as c; print(repr([getattr(c, n) for n in {names!r}.split(', ')]))",
    ]
    seen = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    assert seen.strip() == repr([item.pem for item in ITEMS])


def test_csharp_lines() -> None:
    assert write("csharp", [Constant("CA", PEM, ["CN=Root"]), Constant("KEY", b"a\n")], name="Secrets") == (
        "// Credentials, generated. Keep private keys out of version control.\n"
        "public static class Secrets\n"
        "{\n"
        "    // CN=Root\n"
        "    public const string CA =\n"
        '        "-----BEGIN CERTIFICATE-----\\n" +\n'
        '        "MIIB\\n" +\n'
        '        "AA==\\n" +\n'
        '        "-----END CERTIFICATE-----\\n";\n'
        "\n"
        "    public const string KEY =\n"
        '        "a\\n";\n'
        "}\n"
    )


def test_csharp_verbatim() -> None:
    assert 'public const string CA = @"a ""b"" \\\n";' in write("csharp", [Constant("CA", b'a "b" \\\n')], style="raw")


def test_pem_is_written_as_it_is() -> None:
    assert write("pem", [Constant("A", PEM, ["left out"]), Constant("B", PEM)]) == (PEM + PEM).decode()


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a;", "é"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="found the name"):
        write("c", [Constant(name, PEM)])


def test_a_name_given_twice_and_what_is_no_pem_are_refused() -> None:
    with pytest.raises(SourceError, match="twice"):
        write("python", [Constant("A", PEM), Constant("A", PEM)])
    with pytest.raises(SourceError, match="ASCII"):
        write("c", [Constant("A", b"\xff")])


def test_the_key_is_not_in_the_repr() -> None:
    assert "MIIB" not in repr(Constant("A", PEM))


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.h", Language.C),
        ("SKETCH.INO", Language.C),
        ("x.cpp", Language.C),
        ("Program.cs", Language.CSHARP),
        ("main.py", Language.PYTHON),
        ("device.key", Language.PEM),
        ("device", Language.PEM),
    ],
)
def test_the_language_is_known_by_the_name(path: str, language: Language) -> None:
    assert Language.of(path) is language


LIMITS = {
    f"{sign}{bits}_{end}": (f"{sign}{bits}", value)
    for bits in (8, 16, 32, 64)
    for sign, least, most in (("u", 0, (1 << bits) - 1), ("i", -(1 << bits - 1), (1 << bits - 1) - 1))
    for end, value in (("least", least), ("most", most))
}
NUMBERS = [Number.of(name, kind, str(value)) for name, (kind, value) in LIMITS.items()]


@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c99"), ("g++", "c++11")])
def test_a_c_compiler_sees_the_same_numbers(tmp_path: Path, compiler: str, standard: str) -> None:
    if which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    (tmp_path / "numbers.h").write_text(write("c", NUMBERS))
    source = tmp_path / ("main.cpp" if compiler == "g++" else "main.c")
    lines = [f'printf("%" PRI{n.kind} "\\n", {n.name});' for n in NUMBERS]
    includes = '#define __STDC_FORMAT_MACROS\n#include <inttypes.h>\n#include <stdio.h>\n#include "numbers.h"\n'
    source.write_text(includes + "int main(void) { " + " ".join(lines) + " return 0; }\n")
    program = tmp_path / "program"
    command = [
        compiler,
        f"-std={standard}",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-o",
        str(program),
        str(source),
    ]
    subprocess.run(command, check=True, timeout=300)
    seen = subprocess.run([program], check=True, capture_output=True, text=True, timeout=300).stdout.split()
    assert seen == [str(number.value) for number in NUMBERS]


def test_python_sees_the_same_numbers() -> None:
    module: dict[str, object] = {}
    exec(write("python", NUMBERS), module)
    assert [module[number.name] for number in NUMBERS] == [number.value for number in NUMBERS]


def test_csharp_numbers_have_their_types() -> None:
    text = write("csharp", NUMBERS)
    types = dict(u8="byte", i8="sbyte", u16="ushort", i16="short", u32="uint", i32="int", u64="ulong", i64="long")
    for number in NUMBERS:
        assert f"    public const {types[number.kind]} {number.name} = {number.value};\n" in text
