"""What tells one firmware from another: the hashes of its images, and what the app says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from hil.flash import Image
from hil.wire.esp_image import HEADER_SIZE, MAGIC, SEGMENT_HEADER_SIZE, AppDescription


def fingerprint(images: Sequence[Image]) -> dict[str, Any]:
    """Each image with file, offset, bytes and SHA-256; one `sha256` over all of them, in order of their offsets.

    `project`, `version` and `built` are an ESP app's own words (its app descriptor); None where there is none.
    """
    listed, whole = [], hashlib.sha256()
    description: AppDescription | None = None
    for image in sorted(images, key=lambda i: i.offset):
        data = image.path.read_bytes()
        digest = hashlib.sha256(data)
        whole.update(image.offset.to_bytes(4, "big") + digest.digest())
        listed.append(
            {"file": image.path.name, "offset": image.offset, "bytes": len(data), "sha256": digest.hexdigest()}
        )
        description = description or _description(data)
    return {
        "sha256": whole.hexdigest(),
        "images": listed,
        "project": description.project if description else None,
        "version": description.version if description else None,
        "built": f"{description.date} {description.time}".strip() or None if description else None,
    }


def _description(data: bytes) -> AppDescription | None:
    if data[:1] != bytes([MAGIC]):
        return None
    return AppDescription.decode(data[HEADER_SIZE + SEGMENT_HEADER_SIZE :][:256])
