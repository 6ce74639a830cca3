"""What `--fix` writes: the compiler's string is the PEM byte for byte, all else stays, and TLS stacks take it."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
from cryptography import x509
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pem_samples import BROKEN, certificate, intermediate, key_pem, leaf, root

from hil.pem import RULES, Source, check, fix
from hil.sources import Constant, Language, find, texts, write

FIXABLE = {rule.name for rule in RULES if rule.fixable}
CHANGES = [change for name, change in BROKEN if name in FIXABLE and name != "byte-order-mark"]
PEMS = [leaf(), intermediate(), root(), certificate("alone", "alone")]
#: A failing sample is small as it is; to look for a smaller one takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@st.composite
def constants(draw: st.DrawFn) -> tuple[str, str]:
    """A constant's broken value, and the clean one."""
    pems = draw(st.lists(st.sampled_from(PEMS), min_size=1, max_size=3, unique=True))
    pems = [pem for pem in PEMS if pem in pems]  # in order, so that nothing else is wrong
    change = draw(st.sampled_from([*CHANGES, lambda pem: pem]))
    gaps = st.sampled_from(["", "\n", " \n\n", "\t\n"])
    return "".join(draw(gaps) + change(pem) for pem in pems), "".join(pems)


def literal(draw: st.DrawFn, value: str, language: str) -> str:
    """One of the ways to write a value as an expression in a source."""
    if language == "c":
        raw = f'R"PEM({value})PEM"' if "\r" not in value else None
    else:
        raw = f'"""{value}"""' if "\\" not in value and "\r" not in value else None
    if raw and draw(st.booleans()):
        return raw
    quoted = [
        line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        for line in value.splitlines(keepends=True)
    ]
    mark = "/* it's \" */" if language == "c" else "# it's \""
    between = draw(st.sampled_from(['"\n    "', f'" {mark}\n  "', '"  "', "\\\n" if language == "c" else '" "']))
    return f'"{between.join(quoted)}"'


@st.composite
def sources(draw: st.DrawFn, language: str) -> tuple[str, str, list[str]]:
    """A source of broken constants, what stands around them, and the clean values."""
    made, cleans = [], []
    for number in range(draw(st.integers(1, 3))):
        value, clean = draw(constants())
        expression = literal(draw, value, language)
        declared = f"const char c{number}[] = {expression};" if language == "c" else f"c{number} = ({expression})"
        made.append(declared)
        cleans.append(clean)
    comment = '// don\'t "touch" -----BEGIN\n' if language == "c" else '# don\'t "touch"\n'
    return comment + f"\n{comment}".join(made) + "\n", comment, cleans


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(sources("python"))
def test_python_sees_the_clean_pem(made: tuple[str, str, list[str]]) -> None:
    source, comment, cleans = made
    mended = fix(Source("file", source, Language.PYTHON))
    seen: dict[str, object] = {}
    exec(mended, seen)
    assert [seen[f"c{number}"] for number in range(len(cleans))] == cleans
    assert mended.count(comment) == source.count(comment)


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(sources("c"))
def test_c_constants_are_clean_and_all_else_stays(made: tuple[str, str, list[str]]) -> None:
    source, comment, cleans = made
    mended = fix(Source("file", source, Language.C))
    assert [text.value for text in texts(mended, "c")] == cleans
    assert mended.count(comment) == source.count(comment)
    assert mended.count("/* it's") == source.count("/* it's")
    assert fix(Source("file", mended, Language.C)) == mended


@pytest.mark.skipif(which("g++") is None, reason="no g++ here")
@settings(max_examples=2, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(made=st.lists(sources("c"), min_size=12, max_size=12))
def test_a_c_compiler_sees_the_clean_pem(tmp_path: Path, made: list[tuple[str, str, list[str]]]) -> None:
    """Many sources at a time, each in a namespace of its own: a compiler's start costs more than a sample."""
    program, printing, expected = ["#include <stdio.h>"], [], b""
    for number, (source, _, cleans) in enumerate(made):
        program.append(f"namespace n{number} {{\n{fix(Source('file', source, Language.C))}}}")
        for at, clean in enumerate(cleans):
            printing.append(f"fwrite(n{number}::c{at}, 1, sizeof n{number}::c{at}, stdout);")
            expected += clean.encode() + b"\0"
    program.append(f"int main() {{ {''.join(printing)} }}\n")
    (tmp_path / "main.cpp").write_text("\n".join(program))
    command = ["g++", "-std=c++17", "-O0", "-o", str(tmp_path / "main"), str(tmp_path / "main.cpp")]
    subprocess.run(command, check=True, timeout=240)
    assert subprocess.run([tmp_path / "main"], check=True, capture_output=True, timeout=300).stdout == expected


@pytest.mark.skipif(which("gcc") is None, reason="no gcc here")
def test_a_plain_c_compiler_sees_the_clean_pem(tmp_path: Path) -> None:
    broken = [change(leaf()) for change in CHANGES]
    source = write("c", [Constant(f"c{n}", text.encode()) for n, text in enumerate(broken)])
    mended = fix(Source("file", source, Language.C))
    (tmp_path / "constants.h").write_text(mended)
    printing = "".join(f"fwrite(c{n}, 1, sizeof c{n}, stdout);" for n in range(len(broken)))
    main = f'#include <stdio.h>\n#include "constants.h"\nint main(void) {{ {printing} return 0; }}\n'
    (tmp_path / "main.c").write_text(main)
    command = ["gcc", "-std=c99", "-o", str(tmp_path / "main"), str(tmp_path / "main.c")]
    subprocess.run(command, check=True, timeout=300)
    seen = subprocess.run([tmp_path / "main"], check=True, capture_output=True, timeout=300).stdout
    assert seen == (leaf().encode() + b"\0") * len(broken)


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(constants(), st.sampled_from(list(Language)))
def test_openssl_and_mbedtls_take_what_is_written(pair: tuple[str, str], language: Language) -> None:
    value, clean = pair
    source = write(language, [Constant("A", value.encode())])
    mended = fix(Source("file", source, language))
    pem = b"".join(found.pem for found in find(mended, language))
    assert pem.decode() == clean
    assert not {finding.rule.name for finding in check([Source("file", mended, language)]).findings} & FIXABLE
    count = clean.count("BEGIN")
    assert len(x509.load_pem_x509_certificates(pem)) == count
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    assert sum(context.cert_store_stats()[name] for name in ("x509",)) == count
    mbedtls = pytest.importorskip("mbedtls.x509", reason="python-mbedtls is not installed")
    for found in find(mended, language):
        mbedtls.CRT.from_buffer(found.pem + b"\0")


@pytest.mark.parametrize("change", CHANGES)
def test_keys_are_mended_too(change: Callable[[str], str]) -> None:
    broken = change(key_pem("device"))
    mended = fix(Source("file", broken, Language.PEM))
    assert mended == key_pem("device")


def test_all_else_of_a_windows_file_stays() -> None:
    before, after = '\ufeff// \u00e9\udcff\r\nconst char a[] = "x";\r\n', ";\r\nint b;\r\n// end"
    source = before + 'const char c[] = R"(\r\n' + leaf().replace("\n", " \r\n") + ')"' + after
    expected = before + 'const char c[] = R"(' + leaf().replace("\n", "\r\n") + ')"' + after
    assert fix(Source("file", source, Language.C)) == expected


def test_comments_between_literals_stay() -> None:
    first, *rest = leaf().splitlines()
    lines = "".join(f'\n  "{line} \\n" // {number}' for number, line in enumerate(rest))
    source = f'const char c[] = "{first}\\n" // it\'s CN=device{lines}\n  "\\n";\n'
    mended = fix(Source("file", source, Language.C))
    assert mended == source.replace(' \\n"', '\\n"').replace('  "\\n";', '  "";')


def test_a_damaged_block_stays_and_the_others_are_mended() -> None:
    damaged = leaf().replace("\nMI", "\nM!", 1)
    source = "\n" + damaged + "\n" + intermediate().replace("\n", " \n")
    assert fix(Source("file", source, Language.PEM)) == damaged + "\n" + intermediate()


def test_what_would_not_read_back_is_left_alone() -> None:
    source = "".join(f'"{line}\\n"' for line in ["", *leaf().splitlines()])
    assert fix(Source("file", source, Language.PYTHON)) == source  # three quotes side by side would open a literal
    assert fix(Source("file", source, Language.C)) == source.replace("\\n", "", 1)


PIECES = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN EC PRIVATE KEY-----", "-----", "\n",
          "\r\n", "\r", " ", "\\n", '"', "'", 'R"(', ')"', '@"', '"""', "//", "/*", "*/", "#", "+", "(", ")", "AAAA",
          "MAA=", "MAA", "=", "Proc-Type: 4,ENCRYPTED", "\ufeff", "\u00e9", "\\", "\udcff", leaf()[28:-27]]  # fmt: skip


@settings(max_examples=200, deadline=None, phases=PHASES)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.sampled_from(list(Language)))
def test_whatever_a_file_holds_it_is_judged_and_mended_once(source: str, language: Language) -> None:
    check([Source("file", source, language)])
    mended = fix(Source("file", source, language))
    assert fix(Source("file", mended, language)) == mended
