"""What is wrong with a board after a soak, also after one that was cut short."""

from __future__ import annotations

from hil.soak.measures import Measures


def faults(found: Measures, qos: int | None, *, whole: bool = True) -> list[str]:
    """Messages lost, restarts that nobody asked for, memory that goes away: a line each, the worst first.

    `qos`: of the board's telemetry, None without any; what is sent at QoS 0 may be lost. `whole`: the soak came to its
    end, and the board should be online; one that was cut short may have ended while it was not to be.
    """
    told = []
    if qos and found.lost:
        told.append(f"{found.lost} of {found.received + found.lost} telemetry messages at QoS {qos} were lost")
    if found.boots:
        told.append(f"it restarted by itself: {', '.join(found.boots)}")
    if whole and found.away:
        told.append(f"it is not back: {found.absences[-1].words}")
    if (life := found.longest_life) is not None:
        heap = life.heap_by_connection()
        if heap.falls():
            told.append(f"its free heap falls by {-heap.slope:.0f} bytes with each connection")
    return told
