"""What `hil provision` says: of a board what was written or differs, and of a rig what the next run will not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hil.provision import ProvisionResult
from hil.provision.rehearsal import Difference
from hil.rig import Rig, RigBoard
from hil.rig_file import ExternalBroker

_CREDENTIALS = {"trust_anchors", "certificate_chain", "private_key"}


def in_words(result: ProvisionResult | None) -> str:
    """One line for one board; no value of a setting is in it."""
    if result is None:
        return "nothing to do: its contract's method is 'none'"
    where = f" in {_count(result.sectors, 'sector')}" if result.sectors else ""
    done = f"{result.written} bytes written{where}" if result.written else "all there already, nothing written"
    again = ", after an earlier run that was cut off" if result.recovered else ""
    certificate = f"; device certificate {result.subject}, serial {result.serial}" if result.subject else ""
    return f"{result.method}: {done}, {result.seconds:.1f} s{again}{certificate}"


def differences_in_words(found: Sequence[Difference]) -> Iterator[str]:
    """A line for each place of one board."""
    if not found:
        yield in_words(None)
    for place in found:
        if not place:
            yield f"{place.method}: all there"
            continue
        what = f"differs in {', '.join(place.keys)}" if place.keys else "has all settings"
        again = "; an earlier run was cut off, and would be made good" if place.interrupted else ""
        yield f"{place.method}: {what}; {place.written} bytes in {_count(place.sectors, 'sector')} to write{again}"


def cautions(rig: Rig, boards: Sequence[RigBoard]) -> Iterator[str]:
    """A line for each thing that is another one in the next run, so that what is written now will not fit it."""
    config, used = rig.file.credentials, {b.name: b.contract.placeholders_of_settings() for b in boards}
    if config.directory is None and config.pki is None:
        names = [b.name for b in boards if b.config.identity is None and used[b.name] & _CREDENTIALS]
        if names:
            yield (
                f"the authority of {', '.join(names)} is a throwaway one: the broker of the next run will not know it; "
                "say [credentials] directory or pki in the rig, or --pki"
            )
    ports = [("gateway.first_port", "gateway_port", rig.file.gateway.first_port)]
    ports = [] if isinstance(rig.file.broker, ExternalBroker) else ports
    for key, placeholder, port in [*ports, ("time_server.port", "time_port", rig.file.time_server.port)]:
        names = [b.name for b in boards if placeholder in used[b.name]]
        if names and port == 0:
            yield (
                f"{key} is 0: the next run listens on another port than {', '.join(names)} is told now; "
                f"say {key} in the rig"
            )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
