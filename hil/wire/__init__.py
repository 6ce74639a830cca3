"""Formats and protocols as pure functions on bytes: nothing here opens a file or a socket, or imports the rest of hil."""
