"""`hil serve`: the history as pages on this host, for whoever sits at it. They show, and change nothing.

`server.py` speaks HTTP and lets in whom it should; `asked.py` is what a request asks for; `view.py` reads the history
for it; `pages/` has a file for each kind of page, made of `frame.py`, `links.py`, `marks.py` and `charts.py`.
"""
