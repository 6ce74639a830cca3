"""Which placeholders the texts of a contract may name, and the types that check them when the file is read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from hil import templates

#: What a topic, client id or payload may name.
BOARD_NAMES = ("board", "chip", "mac")
#: What a setting that is put into the board may name besides.
SETTING_NAMES = (
    *BOARD_NAMES,
    "client_id",
    "gateway_host",
    "gateway_port",
    "server_name",
    "time_host",
    "time_port",
    "wifi_ssid",
    "wifi_password",
    "trust_anchors",
    "certificate_chain",
    "private_key",
)
#: What the build command and image paths may name.
BUILD_NAMES = ("board", "chip", "images", "options", "python", "contract_dir")


def _named(known: tuple[str, ...]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        return templates.check(value, known) if isinstance(value, str) else value

    return BeforeValidator(validate)


#: Marks a field as a BoardText, for whoever fills them in.
IS_BOARD_TEXT = _named(BOARD_NAMES)
BoardText = Annotated[str, IS_BOARD_TEXT]
SettingText = Annotated[str, _named(SETTING_NAMES)]
BuildText = Annotated[str, _named(BUILD_NAMES)]
