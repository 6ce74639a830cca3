"""The run as one HTML file that needs nothing else: no network, no other file, no server.

    report = as_html(runs.read(folder))

The first page is plain HTML. Behind it lies a chunk for each test, compressed, and a script that draws one when it is
opened. What devices printed and sent is text and stays text: it is escaped here, put into the page by the script as
text alone, and the page's own policy lets nothing run but that one script.
"""

from __future__ import annotations

from hil.report.html.page import as_html

__all__ = ["as_html"]
