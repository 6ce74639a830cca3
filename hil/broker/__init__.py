"""The real message broker behind the gateway, and the monitor that sees what every other subscriber would.

`Mosquitto` is the one to use. `Embedded` stands in where none is installed and says what it cannot do; `External` is
one that runs elsewhere, `Joined` one that several processes of a run share. All look the same:

    with Mosquitto(timeline, directory) as broker:
        monitor = Monitor(timeline, broker.host, broker.port)
"""

from __future__ import annotations

from hil.broker.asking import MonitorError
from hil.broker.broker import Attribution, Broker, BrokerError
from hil.broker.embedded import Embedded
from hil.broker.external import External
from hil.broker.joined import Joined, SharedBroker
from hil.broker.monitor import Monitor
from hil.broker.mosquitto import Mosquitto, find_mosquitto

__all__ = [
    "Attribution",
    "Broker",
    "BrokerError",
    "Embedded",
    "External",
    "Joined",
    "Monitor",
    "MonitorError",
    "Mosquitto",
    "SharedBroker",
    "find_mosquitto",
]
