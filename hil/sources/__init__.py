"""PEM in source code, both ways: constants written for a firmware's build, and found in what somebody wrote.

    text = write("c", [Constant("CA_ROOT_PEM", pem, ["CN=Example Root"])])
    for found in find(path.read_text(), Language.of(path)):
        print(found.line, found.column, found.kind)

Pure functions on text. C and C++ (Arduino sketches too), C# (.NET nanoFramework), Python (MicroPython), and PEM as is.
"""

from hil.sources.finder import Found, Kind, find, texts
from hil.sources.language import Language
from hil.sources.literals import Places, Text
from hil.sources.writer import Constant, Number, SourceError, Style, escaped, write

__all__ = [
    "Constant",
    "Found",
    "Kind",
    "Language",
    "Number",
    "Places",
    "SourceError",
    "Style",
    "Text",
    "escaped",
    "find",
    "texts",
    "write",
]
