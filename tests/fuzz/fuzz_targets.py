"""The targets of fuzz.py by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import fuzz_flash
import fuzz_hello
import fuzz_littlefs
import fuzz_loader
import fuzz_mqtt
import fuzz_nvs
import fuzz_pem
import fuzz_secure_cert
import fuzz_sntp
import fuzz_spiffs

CORPUS: Final = Path(__file__).resolve().parent / "corpus"


class Target(NamedTuple):
    """`run` takes one input and raises where something is wrong. `made`: inputs to begin with; `words`: bytes that the
    fuzzer may put in as they are; `kept`: the file with inputs from earlier runs, one a line, in hex."""

    about: str
    run: Callable[[bytes], None]
    made: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]
    kept: Path

    def seeds(self) -> list[bytes]:
        """All inputs to begin with."""
        lines = self.kept.read_text().splitlines() if self.kept.exists() else []
        return [*self.made(), *(bytes.fromhex(line) for line in lines if line and line[0] != "#")]


TARGETS: Final = {
    name: Target(about, module.run, module.seeds, module.WORDS, CORPUS / f"{name}.txt")
    for name, about, module in (
        ("mqtt", "MQTT streams", fuzz_mqtt),
        ("hello", "the hellos of a TLS handshake", fuzz_hello),
        ("sntp", "datagrams to and from a time server", fuzz_sntp),
        ("loader", "SLIP frames and the ROM loader's packets", fuzz_loader),
        ("flash", "partition tables and images", fuzz_flash),
        ("nvs", "NVS partitions, read and merged into", fuzz_nvs),
        ("spiffs", "SPIFFS partitions, read and merged into", fuzz_spiffs),
        ("littlefs", "LittleFS partitions, read by the firmware and provisioned", fuzz_littlefs),
        ("secure-cert", "esp_secure_cert partitions, read and merged into", fuzz_secure_cert),
        ("pem", "certificates and keys in sources, found, judged and mended", fuzz_pem),
    )
}
