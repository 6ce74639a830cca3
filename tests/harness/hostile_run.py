"""A run whose every text tries to get out of its place: markup, scripts, control characters, text turned around."""

from __future__ import annotations

import time
from pathlib import Path

from run_folders import RunFolder

from hil.report.verdicts import FINDING, WARNING

ATTACKS = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "<!--<script>",
    "--><img src=x onerror='window.pwned = 3'>",
    "<svg onload=window.pwned=4><style>*{display:none}</style>",
    '" onmouseover="window.pwned = 5" x="',
    "javascript:window.pwned=6",
    "${window.pwned=7} $script {{constructor}}",
    "<iframe srcdoc='<script>parent.pwned=8</script>'></iframe><base href='http://127.0.0.1:9/'>",
    "\u2028window.pwned=9\u2029",
    "\x1b]0;title\x07\x1b[2J\x00\x08\x7f",
    "\u202egnp.exe\u2066 invisible\u200b\ufeff",
    "lone \ud800 surrogate, not a character \uffff",
    "__proto__ constructor toString",
]


def hostile_run(folder: Path) -> Path:
    """Two tests that fail and pass, with all of ATTACKS wherever text may be."""
    run = RunFolder(folder)
    everything = " ".join(ATTACKS)
    run.timeline.record("flash", "failed", "esp32-a", reason=everything)  # outside of the tests
    began = time.monotonic()
    run.timeline.record("test", "start", "esp32-a", name=everything)
    run.timeline.record("power", "on", "esp32-a", switch=everything)
    for attack in ATTACKS:
        run.timeline.record_lines("console", "line", "esp32-a", attack)
        run.timeline.record("monitor", "message", None, topic=attack, payload=attack.encode("utf-8", "replace"))
        run.timeline.record("gateway", "fault", "esp32-a", name=attack, state="armed", **{"<b>key</b>": attack})
        run.timeline.record(
            attack, attack, "esp32-a", **{"__proto__": attack, "toString": [attack, {"constructor": attack}]}
        )
    run.timeline.record("monitor", "message", None, topic="x", payload=b"\xff\xfe\x00\x80 not UTF-8 <script>")
    run.timeline.record_lines("console", "line", "esp32-a", "<b>" * 400_000)
    run.timeline.record(
        "flash", "firmware", "esp32-a", sha256="00" * 32, project=everything, version=everything, images=[]
    )
    run.timeline.record("provision", "done", "esp32-a", subject=everything, serial=everything, method=everything)
    run.test(
        f"test_{everything}[esp32-a]",
        {"when": "setup", "since": began},
        {"failed": True, "text": f"E   {everything}\n{everything}", "sections": [(everything, everything)]},
        {"when": "teardown"},
        scenario=everything,
        about=everything,
    )
    told: list[tuple[str, object]] = [(kind, attack) for kind in (WARNING, FINDING) for attack in ATTACKS]
    run.test("test_b[esp32c3-a]", {"user_properties": told}, board="esp32c3-a", scenario="says <i>much</i>")
    return run.close()
