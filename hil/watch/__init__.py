"""`hil watch`: the timeline in a terminal while it happens.

It comes from the files of a run that somebody else makes (`following`), or from a bench that is opened here (`opened`),
on which keys act (`acting`).
"""
