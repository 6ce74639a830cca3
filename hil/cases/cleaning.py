"""Takes secrets out of texts of the field before they lie in a case: somebody will send the case around.

What looks like a secret is blanked, line for line, so that line numbers stay: passwords and tokens behind a word that
says so, and private keys in PEM. It cannot know a secret that stands there without such a word, so what is taken into
a case may be read by its owner alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANK = "[redacted]"

# Long words also within a longer name (mqttPassword); short ones only where no letter goes before (wifi_pass, but not
# 'compass'), or where a capital begins them (wifiPass). Nothing here is matched from the beginning of a word on: a line
# of a million letters has to cost no more.
_WORDS = (
    r"(?:password|passwd|passphrase|passwort|kennwort|secret|token|sharedaccess)\w{0,40}"
    r"|authorization\W{1,4}(?:bearer|basic)\b"
    r"|(?<![A-Za-z])(?:pass|pwd|pw|psk|api[ _-]?key|wpa2?[ _-]?key|sas)\b"
    r"|(?-i:(?<=[a-z])(?:Pass|Pwd|Pw|Psk|PSK))\b"
)
_VALUE = r"(?P<secret>\"[^\"]*\"|'[^']*'|[^\s,;\"'()]+)"
_SECRET = re.compile(rf"(?i)(?P<before>(?:{_WORDS})[\"']?(?:\s*(?:is|:=|[:=,])\s*|\s+)){_VALUE}")
_TOLD = re.compile(rf"(?i)(?P<before>(?:{_WORDS})[\"']?\s*(?:\bis\b|:=|[:=])\s*){_VALUE}")
"""In what people write 'the password changed' is no secret, and 'password: changed' is one."""
_BEGIN_CALL = re.compile(
    r"(?P<before>WiFi\.begin\(\s*\"[^\"]*\"\s*,\s*|AT\+CWJAP(?:_CUR|_DEF)?=\"[^\"]*\",|AT\+MQTTUSERCFG=(?:[^,]*,){4})"
    r"(?P<secret>\"[^\"]*\")"
)
"""Arduino's call, and ESP-AT's commands, in which the password has its place and no word."""
_IN_ADDRESS = re.compile(r"(?<=://)(?P<before>[^/\s:@]*:)(?P<secret>[^/\s@]+)(?=@)")
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")
_HARMLESS = re.compile(
    r"(?i)^(ok|failed|error|missing|not|is|was|wrong|incorrect|invalid|required|none|null|set|true|false|\[redacted\])\W*$"
)
_LONGEST_KEY = 120  # lines: a 4096-bit RSA key has 52, and some print a blank line between two


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text without its secrets, and how many were taken out."""

    text: str
    count: int


def clean(text: str, *, prose: bool = False) -> Cleaned:
    """The text with what looks like a secret blanked; as many lines as before. `prose`: a person has written it."""
    lines, count, key_left = [], 0, 0
    for line in text.split("\n"):
        if key_left:
            key_left = 0 if _KEY_END.search(line) else key_left - 1
            lines.append(BLANK)
            continue
        begin = _KEY_BEGIN.search(line)
        if begin is not None:
            count += 1
            end = _KEY_END.search(line, begin.end())
            if end is not None:
                line = line[: begin.start()] + BLANK + line[end.end() :]
            else:
                line = line[: begin.start()] + BLANK
                key_left = _LONGEST_KEY
            lines.append(line)
            continue
        line, blanked = _line(line, _TOLD if prose else _SECRET)
        count += blanked
        lines.append(line)
    return Cleaned("\n".join(lines), count)


def names_a_secret(name: str) -> bool:
    """Whether a field of this name holds one by its name alone: `wifi_pass`, `mqttPassword`."""
    return re.fullmatch(rf"(?i).*?(?:{_WORDS})", name) is not None


def _line(line: str, secret: re.Pattern[str]) -> tuple[str, int]:
    count = 0

    def blank(match: re.Match[str]) -> str:
        nonlocal count
        if _HARMLESS.match(match["secret"]):
            return match[0]
        count += 1
        return match["before"] + BLANK

    for expression in (_BEGIN_CALL, _IN_ADDRESS, secret):
        line = expression.sub(blank, line)
    return line, count
