"""The known policies as a table for people: what each broker does about each rule, and how sure that is.

python -m hil.gateway.policies.table docs/policies.md     # writes both tables of that page anew
"""

from __future__ import annotations

import sys
from pathlib import Path

from hil.gateway.policies import load, names
from hil.gateway.policy import Policy, Rule
from hil.gateway.rules import KINDS, What
from hil.wire.mqtt import Version

LETTERS = {"tried": "T", "source": "S", "documentation": "D", "field": "F", "unconfirmed": "?"}
"""How sure a rule is, in the table."""


def kinds() -> str:
    """What kinds of rules there are."""
    return "".join(
        f"| `{what}` | {kind.about} | {', '.join(f'`{a}`' for a in kind.actions)} | {kind.unit} |\n"
        for what, kind in KINDS.items()
    )


def known() -> str:
    """What is known of each broker, and from where."""
    policies = [load(name) for name in names() if name != "permissive"]
    lines = [
        "| rule | " + " | ".join(p.name for p in policies) + " |",
        "|---|" + "---|" * len(policies),
        *(f"| `{what}` | " + " | ".join(_cell(p, what) for p in policies) + " |" for what in KINDS),
        "",
    ]
    for policy in policies:
        lines += [f"**{policy.name}**: {policy.title}.", ""]
        lines += [f"- {source}" for source in policy.sources.values()]
        lines += ["", *_notes(policy)]
    return "\n".join(lines).rstrip() + "\n"


def _cell(policy: Policy, what: What) -> str:
    old, new = (_words(policy.rule(what, version), what) for version in Version)
    return old if old == new else f"3.1.1: {old}; 5: {new}"


def _words(rule: Rule, what: What) -> str:
    parts: list[str] = [rule.action]
    if rule.limit is not None and rule.action != "allow":
        rate = f" in {rule.per:g} s" if what.endswith("_rate") else ""
        parts.append(f"over {rule.limit} {KINDS[what].unit}{rate}")
    if rule.code is not None:
        parts.append(f"code {rule.code if rule.code < 0x80 else f'0x{rule.code:02x}'}")
    return f"{' '.join(parts)} [{LETTERS[rule.certainty]}]"


def _notes(policy: Policy) -> list[str]:
    notes = []
    for what, versions in policy.rules.items():
        said = dict.fromkeys(rule.note for rule in versions.values() if rule.note)
        if said:
            notes.append(f"- `{what}`: {' '.join(said)}")
    return [*notes, ""]


def written(page: str) -> str:
    """The text of the page with its tables as they have to be."""
    head, rest = page.split("| rule | what it is about | actions | limit |\n|---|---|---|---|\n")
    _, last = rest.split("## What is known\n")
    legend, _, _ = last.partition("\n\n")
    return (
        f"{head}| rule | what it is about | actions | limit |\n|---|---|---|---|\n{kinds()}\n"
        f"## What is known\n{legend}\n\n{known()}"
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
