"""`hil watch`: the timeline in a terminal while it happens, from the files of a run that somebody else writes."""
