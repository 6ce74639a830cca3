"""The rules: what each is called, and what each TLS stack does with a block that breaks it. Nothing here looks at one.

Where the verdicts come from: tried with mbedTLS 2.28.8 and with OpenSSL 3.0.19 reading a file, by the tests. A rule is
an error where mbedTLS refuses, or the connection will fail; a warning where mbedTLS accepts what other readers, or the
strict form of RFC 7468 (figure 3), do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `mbedtls` is the code that its parser gives back (0: it accepts), `openssl` whether OpenSSL accepts.

    Both are None for a rule that is not about parsing; `effect` then says what happens. `fixable`: `--fix` mends it,
    unless the block is damaged elsewhere.
    """

    name: str
    level: Level
    words: str
    mbedtls: int | None = None
    openssl: bool | None = None
    fixable: bool = False
    effect: str = ""

    @property
    def verdict(self) -> str:
        """What each stack does with it, in words."""
        if self.mbedtls is None:
            return self.effect
        mbedtls = "accepts" if self.mbedtls == 0 else f"refuses (-0x{self.mbedtls:04X}, {-self.mbedtls})"
        openssl = "accepts" if self.openssl else "refuses"
        return f"mbedTLS {mbedtls}, OpenSSL {openssl}" + (f"; {self.effect}" if self.effect else "")


def _warning(name: str, words: str, *, openssl: bool = True, fixable: bool = True, effect: str = "") -> Rule:
    return Rule(name, Level.WARNING, words, 0, openssl, fixable, effect)


def _refused(name: str, code: int, words: str, *, openssl: bool = False, fixable: bool = False) -> Rule:
    return Rule(name, Level.ERROR, words, code, openssl, fixable)


def _content(name: str, level: Level, words: str, effect: str, *, fixable: bool = False) -> Rule:
    return Rule(name, level, words, fixable=fixable, effect=effect)


_STRICT = "a strict reader refuses"
_SKIPPED = "in a bundle mbedTLS skips a certificate like this and arduino-esp32 does not say so"

RULES = (
    _warning("blank-line", "blank line outside of the block", effect=_STRICT),
    _warning("blank-line-inside", "blank line inside the block", openssl=False),
    _warning("trailing-space", "space at a line's end", effect=_STRICT),
    _warning("indented-mark", "white space before BEGIN or END", openssl=False),
    _warning("crlf", "lines end in CR LF", effect=_STRICT),
    _warning("final-line", "no line end behind the END line", effect="what is appended lands on the same line"),
    _warning("byte-order-mark", "byte order mark before the first block", effect=_STRICT),
    _warning("width", "lines of base64 that are not 64 characters long", effect=_STRICT),
    _warning("text-outside", "text outside of the block", fixable=False, effect="it costs flash"),
    _warning("text-beside", "text on the line of BEGIN or END", openssl=False, fixable=False),
    _warning("glued", "BEGIN or END does not begin a line", openssl=False),
    _refused("white-space", 0x112C, "white space or a tab inside the base64", openssl=True, fixable=True),
    _refused("text-inside", 0x112C, "text inside the base64", fixable=True),
    _refused("damaged", 0x112C, "what is inside is no base64"),
    _refused("incomplete", 0x2180, "the base64 is not what its own first bytes announce: something is missing"),
    _refused("begin-line", 0x2780, "something behind BEGIN on its line", openssl=True, fixable=True),
    _refused("literal-newline", 0x2780, "a backslash and an n where a line should end", fixable=True),
    _refused("one-line", 0x2780, "the whole block is on one line", fixable=True),
    _refused("cr-only", 0x2780, "lines end in CR alone", fixable=True),
    _refused("no-end", 0x2780, "no END line that belongs to this BEGIN line", fixable=True),
    _refused("no-begin", 0x2180, "no BEGIN line"),
    _refused("wrong-label", 0x2180, "a label that mbedTLS does not know", openssl=True),
    _refused("empty", 0x1100, "nothing between BEGIN and END"),
    _content("unreadable", Level.ERROR, "the contents are not what the label says", "every TLS stack refuses it"),
    _content("encrypted-key", Level.WARNING, "the key is encrypted", "mbedTLS refuses it without password (-0x3C00)"),
    _content("duplicate", Level.WARNING, "the same certificate twice", "all stacks accept it; it costs flash and heap"),
    _content(
        "wrong-order",
        Level.ERROR,
        "the chain is not in order: the device's certificate first, then each one's issuer",
        "mbedTLS pairs the key with the first certificate; a peer may refuse the chain",
        fixable=True,
    ),
    _content(
        "missing-intermediate",
        Level.ERROR,
        "the chain lacks an intermediate certificate",
        "whoever verifies it fails: mbedTLS flag 0x8 (not trusted), OpenSSL 'unable to get local issuer certificate'",
    ),
    _content(
        "issuer-unknown",
        Level.WARNING,
        "a certificate without its issuer",
        "right where a root has issued it; where an intermediate has, whoever verifies it fails",
    ),
    _content(
        "issuer-may-not-sign",
        Level.ERROR,
        "an issuer that may not sign certificates: CA:FALSE, no basicConstraints, or no keyCertSign",
        "mbedTLS flag 0x8 (not trusted), OpenSSL 'certificate verify failed'",
    ),
    _content(
        "key-mismatch",
        Level.ERROR,
        "a key that fits none of the certificates",
        "the handshake fails: OpenSSL refuses to load the pair, with mbedTLS the peer refuses the signature",
    ),
    _content(
        "committed-key",
        Level.ERROR,
        "a private key in a file that git tracks",
        "whoever can read the repository has the key, for good: issue a new one",
    ),
)

BY_NAME = {rule.name: rule for rule in RULES}
#: What a bundle makes of a certificate that mbedTLS refuses.
SKIPPED = _SKIPPED
