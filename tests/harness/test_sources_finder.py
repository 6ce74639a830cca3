"""Constants found in sources are what the language's own compiler makes of them."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.sources import Constant, Kind, Language, find, texts, write

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----\n"
KEY = PEM.replace("CERTIFICATE", "EC PRIVATE KEY")

#: What C allows between and inside literals; each constant must come out as the compiler has it.
TRICKY_C = r"""
#include <stdio.h>
#define ODD "a\n" \
            "b\n"
const char one[] = "-----BEGIN X-----\n\
AAAA\n\
-----END X-----\n"; // "not this"
const char two[] = "a" /* "nor this" */ "b"
  // it's no character
  "\x41" "B\101\060\
c" u8"d";
const char three[] = R"(raw \n
)" "and\tmore\\n" R"x()")x" "";
int digits = 1'000'000; char quote = '"', other = '\'';
const char four[] = ODD;
const char five[] = "\"quoted\" \?? \u0041";
"""


def values(source: str, language: str) -> list[str]:
    return [text.value for text in texts(source, language)]


def test_c_constants_are_what_the_compiler_makes_of_them(tmp_path: Path) -> None:
    if which("g++") is None:
        pytest.skip("no g++ here")
    names = ["one", "two", "three", "four", "five"]
    printing = "".join(f"fwrite({name}, 1, sizeof {name}, stdout);" for name in names)
    (tmp_path / "main.cpp").write_text(TRICKY_C + f"int main() {{ {printing} }}\n")
    command = ["g++", "-std=c++17", "-o", str(tmp_path / "main"), str(tmp_path / "main.cpp")]
    subprocess.run(command, check=True, timeout=300)
    compiled = subprocess.run([tmp_path / "main"], check=True, capture_output=True, timeout=300).stdout.decode()
    found = values(TRICKY_C, "c")
    found = [*found[1:4], found[0], *found[4:]]  # four is made of the macro's, which stands first
    assert found == compiled.split("\0")[:-1]


def test_what_is_no_string_does_not_hide_the_strings_behind_it() -> None:
    assert values('#error don\'t\n#include <a"b>\n\'"\' "a" x = \'b "c";', "c") == ["a", "c"]
    assert values('#region Bob\'s "keys"\nchar a = \'"\'; /* " */ // "\nx = "a";', "csharp") == ["a"]
    assert values("# it's\nx = 'a'", "python") == ["a"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r'"a\n" + "b"', ["a\nb"]),
        ('"a" /* x */ +\n  // "y"\n  @"b\r\n""c"" \\n"', ['ab\r\n"c" \\n']),
        ('"a", "b"', ["a", "b"]),
        ('"a" + x + "b"', ["a", "b"]),
        (r'@"c:\" + "\u0041\x42\tc"', ["c:\\AB\tc"]),
        ('"""one "line" \\n"""', ['one "line" \\n']),
        ('"""\n    a\n      b\n\n    c\n    """', ["a\n  b\n\nc"]),
        ('"""\r\n  a\r\n  b\r\n  """u8', ["a\r\nb"]),
        ('$"a" + $@"b"', ["ab"]),
    ],
)
def test_csharp_constants(source: str, expected: list[str]) -> None:
    assert values(source, "csharp") == expected


CHARACTERS = st.text(st.sampled_from("aN07x\"'\\\n\r u{}#+"), max_size=8)
PREFIXES = st.sampled_from(["", "b", "r", "Rb", "u", "bR"])


@st.composite
def python_literals(draw: st.DrawFn) -> str:
    quote = draw(st.sampled_from(['"', "'", '"""', "'''"]))
    return draw(PREFIXES) + quote + draw(CHARACTERS) + quote


@pytest.mark.filterwarnings("ignore:invalid escape sequence", "ignore:invalid octal")
@settings(max_examples=50, deadline=None)
@given(st.lists(python_literals(), min_size=1, max_size=3), st.sampled_from([" ", "\n", " + ", "\\\n", "  # it's\n"]))
def test_python_constants_are_what_python_makes_of_them(literals: list[str], between: str) -> None:
    source = "x = (" + between.join(literals) + ")\n"
    try:
        assigned = ast.parse(source.encode()).body
    except (SyntaxError, ValueError):
        return
    if len(assigned) != 1 or not isinstance(assigned[0], ast.Assign):
        return
    try:
        value = eval(compile(ast.Expression(assigned[0].value), "", "eval"), {})
    except (TypeError, NameError, SyntaxError):  # text and bytes added, say
        return
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        assert "".join(values(source, "python")) == value


def test_python_joins_within_brackets_only() -> None:
    assert values("'a'\n'b'\n('c'\n\n 'd')", "python") == ["a", "b", "cd"]
    assert values("'a' \\\n 'b'", "python") == ["ab"]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["c", "csharp", "python", "pem"]),
    st.sampled_from(["lines", "raw"]),
    st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0-"), max_size=30), min_size=1, max_size=3),
)
def test_what_is_written_is_found(language: str, style: str, bodies: list[str]) -> None:
    written = ["-----BEGIN X-----\n" + "".join(c for c in b if c.isprintable() or c == "\n") for b in bodies]
    pems = [f"{body}\n-----END X-----\n".encode() for body in written]
    source = write(language, [Constant(f"A{n}", pem, ['it\'s "so"']) for n, pem in enumerate(pems)], style=style)
    assert [found.pem for found in find(source, language)] == pems


def test_where_it_is() -> None:
    source = f'x;\r\nconst char *a = R"({PEM})";\n  const char *b = "-----BEGIN EC PRIVATE KEY-----\\nMII";\n'
    certificate, key = find(source, "c")
    assert (certificate.kind, certificate.closed) == (Kind.CERTIFICATE, True)
    assert (certificate.line, certificate.column, certificate.end_line, certificate.end_column) == (2, 20, 6, 1)
    assert (key.kind, key.closed, key.label) == (Kind.PRIVATE_KEY, False, "EC PRIVATE KEY")
    assert (key.line, key.column) == (7, 20)
    assert "MII" not in repr(key)


def test_every_block_of_a_bundle() -> None:
    found = find("text\n" + PEM + KEY + "\n" + PEM[:40] + KEY, Language.PEM)
    assert [(f.kind, f.closed) for f in found] == [
        (Kind.CERTIFICATE, True),
        (Kind.PRIVATE_KEY, True),
        (Kind.CERTIFICATE, False),
        (Kind.PRIVATE_KEY, True),
    ]
    assert found[1].pem == KEY.encode()


def test_a_mark_that_a_program_compares_with_is_no_block() -> None:
    assert find('if (strstr(s, "-----BEGIN CERTIFICATE-----")) s += "-----END CERTIFICATE-----";', "c") == []
