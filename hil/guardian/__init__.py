"""What keeps a bench safe when its run dies: locks that free themselves, and a process that outlives the run.

`lock_file` and `holder`: one lock of this host, and who holds it. `identity`: what a board and an outlet physically
are, so that two rig files that name one thing by two names collide. `locks`: all locks of a bench.

The guardian's process imports from here, so nothing is imported at this place.
"""
