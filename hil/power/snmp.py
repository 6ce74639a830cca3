"""A PDU over SNMP, worked by net-snmp's snmpset and snmpget as processes of their own.

Communities and passphrases go to them in a configuration file of this process's own folder (snmp.conf(5):
defCommunity, defAuthPassphrase; SNMPCONFPATH), which only this user can read, and never in their arguments.

Presets, from the vendors' MIBs. APC PowerNet-MIB: sPDUOutletCtl (MasterSwitch; outletOn 1, outletOff 2),
rPDUOutletControlOutletCommand and rPDUOutletStatusOutletState (AP7xxx; on 1, off 2), rPDU2OutletSwitchedControlCommand
and rPDU2OutletSwitchedStatusState (AP8xxx; immediateOn 1, immediateOff 2, but the state is off 1, on 2). Raritan
PDU2-MIB: switchingOperation (off 0, on 1) and the outlet sensor's state (on 7, off 8).
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.power import PowerError
from hil.power.outlet import OutletPower, Port, Resolve, Seconds
from hil.power.tool import failed, run_tool
from hil.secret import Secret


@dataclass(frozen=True, slots=True)
class Objects:
    """The object that switches and the one that tells, `{outlet}` standing for its number, and their values."""

    switch: str
    on: int
    off: int
    status: str
    is_on: int
    is_off: int


PRESETS = {
    "apc-masterswitch": Objects(
        ".1.3.6.1.4.1.318.1.1.4.4.2.1.3.{outlet}", 1, 2, ".1.3.6.1.4.1.318.1.1.4.4.2.1.3.{outlet}", 1, 2
    ),
    "apc-rpdu": Objects(
        ".1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.{outlet}", 1, 2, ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.4.{outlet}", 1, 2
    ),
    "apc-rpdu2": Objects(
        ".1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.{outlet}", 1, 2, ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.{outlet}", 2, 1
    ),
    "raritan": Objects(
        ".1.3.6.1.4.1.13742.6.4.1.2.1.2.1.{outlet}", 1, 0, ".1.3.6.1.4.1.13742.6.4.1.2.1.3.1.{outlet}", 7, 8
    ),
}
_OID = r"^\.?\d+(\.(\d+|\{outlet\}))+$"


class SnmpPower(OutletPower):
    """Outlet `outlet_number` of the PDU at `host`: a `model` that is known, or `oid` with the values `on` and `off`.

    Version 1 and 2c: `community`. Version 3: `user`, and with `auth` (and `priv`) their passphrases; `auth_type` and
    `priv_type` as snmp.conf(5) spells them. `patience_s`: seconds until the state must have followed.
    """

    kind: Literal["snmp"] = "snmp"
    host: Annotated[str, Field(pattern=r"^[^\s:\-][^\s:]*$")]
    port: Port = 161
    model: Literal["apc-masterswitch", "apc-rpdu", "apc-rpdu2", "raritan"] | None = None
    outlet_number: Annotated[int, Field(ge=1, le=512)] = 1
    oid: Annotated[str, Field(pattern=_OID)] | None = None
    on: int = 1
    off: int = 2
    version: Literal["1", "2c", "3"] = "1"
    community: Secret | None = None
    user: Annotated[str, Field(pattern=r'^[^\s"]+$')] | None = None
    auth: Secret | None = None
    auth_type: Literal["MD5", "SHA", "SHA-256", "SHA-512"] = "SHA"
    priv: Secret | None = None
    priv_type: Literal["DES", "AES"] = "AES"
    timeout: Seconds = 10.0
    patience_s: Seconds = 10.0

    @model_validator(mode="after")
    def _whole(self) -> SnmpPower:
        if (self.model is None) == (self.oid is None):
            raise ValueError("expected either model (a known PDU) or oid (the object that switches)")
        if self.version == "3" and self.user is None:
            raise ValueError("found version 3 and no user, expected user: the name the PDU knows")
        if self.version != "3" and self.community is None:
            raise ValueError('found no community, expected community = { env = "NAME" }')
        if self.priv is not None and self.auth is None:
            raise ValueError("found priv and no auth, expected auth: SNMP 3 encrypts only what it authenticates")
        return self

    @property
    def patience(self) -> float:
        """Seconds."""
        return self.patience_s

    @property
    def identity(self) -> str:
        return f"snmp {self.host.lower()}:{self.port} {self.oid or f'outlet {self.outlet_number}'}"

    def outlet(self, resolve: Resolve) -> SnmpOutlet:
        return SnmpOutlet(self, self._settings())

    def _settings(self) -> str:
        lines = [f"defVersion {self.version}"]
        if self.version != "3":
            assert self.community is not None
            lines.append(f"defCommunity {_quoted(self.community.value('power.community'))}")
            return "\n".join(lines) + "\n"
        level = "authPriv" if self.priv else "authNoPriv" if self.auth else "noAuthNoPriv"
        lines += [f"defSecurityName {self.user}", f"defSecurityLevel {level}"]
        if self.auth is not None:
            lines += [f"defAuthType {self.auth_type}"]
            lines += [f"defAuthPassphrase {_quoted(self.auth.value('power.auth'))}"]
        if self.priv is not None:
            lines += [f"defPrivType {self.priv_type}"]
            lines += [f"defPrivPassphrase {_quoted(self.priv.value('power.priv'))}"]
        return "\n".join(lines) + "\n"


def _quoted(secret: str) -> str:
    if re.search(r'["\\\s]', secret):
        raise PowerError("SNMP: a secret with spaces, quotes or backslashes cannot be used; choose another")
    return f'"{secret}"'


class SnmpOutlet:
    """One outlet of a PDU. `settings`: what stands in snmp.conf."""

    def __init__(self, config: SnmpPower, settings: str) -> None:
        self._config = config
        self._settings = settings
        if config.model is not None:
            self._objects = PRESETS[config.model]
        else:
            oid = str(config.oid)
            self._objects = Objects(oid, config.on, config.off, oid, config.on, config.off)

    def set(self, on: bool) -> None:
        self._snmp("snmpset", self._objects.switch, "i", str(self._objects.on if on else self._objects.off))

    def state(self) -> bool | None:
        said = self._snmp("snmpget", self._objects.status)
        objects = self._objects
        states = {str(objects.is_on): True, str(objects.is_off): False}
        if said not in states:
            raise self._error(
                f"says {said[:60]!r}, expected {objects.is_on} (on) or {objects.is_off} (off); is it the right model "
                "and outlet?"
            )
        return states[said]

    def close(self) -> None:
        pass

    def _snmp(self, program: str, oid: str, *value: str) -> str:
        config = self._config
        # One try and as many again as fit; -Ovq prints the value alone, -Oe numbers and no names; no MIBs are read.
        how = ["-m", "", "-Ovqe", "-r", "2", "-t", f"{config.timeout / 4:g}", f"udp:{config.host}:{config.port}"]
        with tempfile.TemporaryDirectory(prefix="hil-snmp-") as folder:
            settings = Path(folder) / "snmp.conf"
            settings.touch(mode=0o600)
            settings.write_text(self._settings)
            command = [program, *how, oid.replace("{outlet}", str(config.outlet_number)), *value]
            env = dict(os.environ) | {"SNMPCONFPATH": folder, "SNMP_PERSISTENT_DIR": folder}
            done = run_tool(
                command,
                timeout=config.timeout + 5,
                install="install it (`apt install snmp`)",
                stuck="is the PDU on, and in this network?",
                env=env,
            )
        said = done.output + done.errors
        for words, what in _TROUBLE.items():
            if words in said:
                raise self._error(what)
        if done.code != 0:
            raise failed(command, done)
        return done.output.strip()

    def _error(self, what: str) -> PowerError:
        config = self._config
        return PowerError(f"PDU at {config.host}:{config.port}, outlet {config.outlet_number}: {what}")


#: What net-snmp 5.9 says, and what it means here.
_TROUBLE = {
    "Timeout: No Response": "it does not answer; is it on, and are community and version right? A wrong community is "
    "answered by silence",
    "Unknown host": "its name cannot be resolved; write its address",
    "No Such Instance": "it has no such outlet; is it the right model?",
    "No Such Object": "it does not know that object; is it the right model?",
    "noSuchName": "it has no such outlet, or the community may only read; correct model, outlet or community",
    "noAccess": "this community or user may not switch; give it write access",
    "notWritable": "this community or user may not switch; give it write access",
    "authorizationError": "this community or user may not switch; give it write access",
    "Authentication failure": "it refuses the passphrase; correct the environment variable that the rig names",
    "Unknown user name": "it does not know that user; correct user in the rig",
    "Decryption error": "it refuses the privacy passphrase; correct the environment variable that the rig names",
}
