"""The causes as Markdown: the second half of docs/diagnosis.md."""

from __future__ import annotations

from hil.diagnose.causes import GROUPS


def markdown() -> str:
    """A section for each group, and in it a table: the cause, what shows it, what to look at next."""
    lines: list[str] = []
    for group, causes in GROUPS.items():
        lines += [f"### {group}", "", "| cause | what shows it | look at next |", "|---|---|---|"]
        for cause in causes:
            mark = " (a symptom)" if cause.symptom else ""
            steps = "; ".join(cause.next_steps)
            lines.append(f"| `{cause.slug}`: {_cell(cause.title)}{mark} | {_cell(cause.shown_by)} | {_cell(steps)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
