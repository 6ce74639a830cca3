"""Several places of one board, as one provisioner."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from hil.provision import Provisioner, ProvisionError, ProvisionResult, Setting


class Several:
    """Hands each setting to the place that its key belongs to, in the order of the contract.

    `places`: the keys of each and its provisioner; `session` keeps the firmware from running from one to the next,
    where none of them needs it.
    """

    def __init__(
        self,
        places: Sequence[tuple[Collection[str], Provisioner]],
        session: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._places = list(places)
        self._session = session if self.in_flash else nullcontext

    @property
    def method(self) -> str:
        return "+".join(provisioner.method for _, provisioner in self._places)

    @property
    def in_flash(self) -> bool:
        return all(provisioner.in_flash for _, provisioner in self._places)

    def provision(self, values: Mapping[str, Setting], *, secret: Collection[str] = ()) -> ProvisionResult:
        """See `hil.provision.Provisioner`. Raises ProvisionError for a key of no place, before anything is written."""
        known = {key for keys, _ in self._places for key in keys}
        for key in values:
            if key not in known:
                raise ProvisionError(f"setting {key!r} belongs to no [[provision]] table; add it to the values of one")
        with self._session():
            results = [
                provisioner.provision({k: v for k, v in values.items() if k in keys}, secret=secret)
                for keys, provisioner in self._places
            ]
        return ProvisionResult(
            method=self.method,
            sectors=sum(r.sectors for r in results),
            written=sum(r.written for r in results),
            capacity=sum(r.capacity for r in results),
            seconds=sum(r.seconds for r in results),
            subject=next((r.subject for r in results if r.subject), None),
            serial=next((r.serial for r in results if r.serial), None),
            recovered=any(r.recovered for r in results),
        )
