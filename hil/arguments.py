"""What values of options may be: types for argparse, whose errors say what was found and what is expected."""

from __future__ import annotations

import argparse
import threading


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """More than 0, and no more than a thread can wait."""
    number = _number(text)
    if not 0 < number <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected seconds, more than 0")
    return number


def patience(text: str) -> float:
    """Seconds like `seconds`, or 0 for none at all."""
    number = _number(text, -1.0)
    if not 0 <= number <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected seconds, 0 or more")
    return number


def part(text: str) -> float:
    """Between 0 and 1, without both."""
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a part of 1, such as 0.2")
    return number


def confidence(text: str) -> float:
    """From 0.5 on, and below 1."""
    number = _number(text)
    if not 0.5 <= number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a part of 1 from 0.5 on, such as 0.95")
    return number


def _number(text: str, otherwise: float = 0.0) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
