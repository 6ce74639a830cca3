"""A coverage-guided fuzzer for everything that reads bytes which somebody else may have made.

    python tests/fuzz/fuzz.py mqtt --inputs 1000000
    python tests/fuzz/fuzz.py --list

Needs atheris (the extra `fuzz`). Each target is a function in fuzz_targets.py that raises where something is wrong;
tests/harness/test_fuzz.py runs the same functions without atheris. What is found on the way, and the inputs that
reached something new, are kept under build/fuzz/TARGET, and are where the next run begins.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INSTRUMENTED = [
    *("hil.wire", "hil.gateway.tls.hello", "hil.sources", "hil.pem"),
    "hil.virtual.firmware.littlefs",
]
sys.path[:0] = [str(ROOT), str(HERE)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", nargs="?", help="what to fuzz")
    parser.add_argument("--inputs", type=int, default=-1, help="how many inputs (default: no end)")
    parser.add_argument("--seconds", type=int, default=0, help="how long at most (default: until all inputs are done)")
    parser.add_argument("--seed", type=int, default=0, help="of its random numbers (default: another each time)")
    parser.add_argument("--longest", type=int, default=512, help="bytes of the longest input (default: 512)")
    parser.add_argument("--found", type=Path, default=ROOT / "build" / "fuzz", help="where to keep what is found")
    parser.add_argument("--list", action="store_true", help="name the targets, and stop")
    options = parser.parse_args()
    try:
        import atheris
    except ImportError:
        return fail("atheris is not installed: pip install 'hil[fuzz]' (Linux, CPython 3.11 to 3.13)")
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz_targets import TARGETS
    if options.list:
        print("\n".join(f"{name:<12}{target.about}" for name, target in TARGETS.items()))
        return 0
    target = TARGETS.get(options.target)
    if target is None:
        return fail(f"no target {options.target!r}; there are: {', '.join(TARGETS)}")
    corpus = options.found / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    dictionary = options.found / f"{options.target}.dict"
    dictionary.write_text("".join(f'"{quoted(word)}"\n' for word in target.words))
    arguments: Sequence[str] = (
        f"-runs={options.inputs}",
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-max_len={options.longest}",
        f"-dict={dictionary}",
        f"-artifact_prefix={options.found}/{options.target}-",
        "-timeout=60",  # s; no input takes 10 ms, but a machine may be suspended
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        str(corpus),
    )
    atheris.Setup([sys.argv[0], *arguments], target.run)
    atheris.Fuzz()  # ends the process
    return 0


def quoted(word: bytes) -> str:
    """A word of the fuzzer's dictionary."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def fail(reason: str) -> int:
    print(f"fuzz: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
