"""Formats and protocols as pure functions on bytes: nothing here does IO, or imports the rest of hil."""
