"""One trial of a case on one board: its conditions in force, its steps done, and watched until it is decided."""

from __future__ import annotations

import threading

from hil.bench import Bench
from hil.board import Board
from hil.cases import Case, Signature, Step
from hil.cases.applying import in_force
from hil.reproduce.trial import Outcome
from hil.reproduce.watching import Stopped, Verdict, Watch


class NoSignature(ValueError):
    """A case that does not say what its failure looks like. One line with the cure."""


def signature_of(case: Case) -> Signature:
    """What the case's failure looks like. Raises NoSignature."""
    if case.signature is None:
        raise NoSignature(
            f"case {case.name}: has no [signature], so nobody can tell whether it failed as reported; "
            "write one, docs/cases.md says how"
        )
    return case.signature


def attempt(
    case: Case, bench: Bench, board: Board, *, number: int, first: int, stopped: threading.Event | None = None
) -> Verdict:
    """Play the trial of this number on a board that was made ready and holds the case's lasting conditions.

    `first`: the timeline's position from which on the board's events are the trial's. `stopped`: ends it with
    hil.reproduce.watching.Stopped once it is set. Raises NoSignature, and what bench and board raise.
    """
    signature = signature_of(case).for_pause(board.contract.retry.most)
    ended = stopped or threading.Event()
    if case.trial.begin == "online":
        board.power_cycle()
        before = Watch(bench, board, case.trial, signature, first, first, ended)
        if not before.comes_online(board.contract.online.within):
            return Verdict(Outcome.OTHER, 0.0, "was not online, before anything was done to it")
    after = bench.timeline.mark()
    with in_force(case, bench, board, draw=number, pause=ended.wait):
        if ended.is_set():
            raise Stopped
        watch = Watch(bench, board, case.trial, signature, first, after, ended)
        for step in case.trial.steps:
            for _ in range(step.times):
                _do(step, board, watch)
        return watch.verdict()


def _do(step: Step, board: Board, watch: Watch) -> None:
    """One step of a trial; nothing if it is decided already. Raises Stopped, and what the board raises."""
    if watch.decided:
        return
    match step.do:
        case "power-on":
            board.power_on()
        case "power-off":
            board.power_off()
        case "power-cycle":
            board.power_cycle()
        case "hard-reset":
            board.hard_reset()
        case "soft-reset":
            board.soft_reset()
        case "send":
            board.console.send(f"{step.text}\n")
        case "wait-online":
            watch.wait(step.seconds or board.contract.online.within, until_online=True)
        case "wait":
            watch.wait(step.seconds or 0.0)
