"""Every kind of switch that a rig can name. A new kind is a file of its own and a line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator

from hil.power.command import CommandPower
from hil.power.control_port import VirtualPower
from hil.power.gpio import GpioPower
from hil.power.home_assistant import HomeAssistantPower
from hil.power.labgrid import LabgridPower
from hil.power.lcus import LcusPower
from hil.power.none import NoPower
from hil.power.ppk2 import Ppk2Power
from hil.power.shelly_gen1 import ShellyGen1Power
from hil.power.shelly_gen2 import ShellyGen2Power
from hil.power.sispmctl import SispmctlPower
from hil.power.snmp import SnmpPower
from hil.power.tasmota import TasmotaPower
from hil.power.tasmota_mqtt import TasmotaMqttPower
from hil.power.uhubctl import UhubctlPower
from hil.power.usbrelay import UsbrelayPower
from hil.power.ykush import YkushPower

Power = Annotated[
    VirtualPower
    | CommandPower
    | UhubctlPower
    | GpioPower
    | Ppk2Power
    | LcusPower
    | UsbrelayPower
    | YkushPower
    | SispmctlPower
    | ShellyGen1Power
    | ShellyGen2Power
    | TasmotaPower
    | TasmotaMqttPower
    | HomeAssistantPower
    | SnmpPower
    | LabgridPower
    | NoPower,
    Discriminator("kind"),
]
