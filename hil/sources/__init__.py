"""PEM in source code, both ways: constants written for a firmware's build, and found in what somebody wrote.

    text = write("c", [Constant("CA_ROOT_PEM", pem, ["CN=Example Root"])])

Pure functions on text. C and C++ (Arduino sketches too), C# (.NET nanoFramework), Python (MicroPython), and PEM as is.
"""

from hil.sources.language import Language
from hil.sources.writer import Constant, SourceError, Style, escaped, write

__all__ = ["Constant", "Language", "SourceError", "Style", "escaped", "write"]
