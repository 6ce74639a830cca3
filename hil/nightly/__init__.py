"""`hil nightly`: a whole night on a bench, which a crash of the runner interrupts and does not undo.

A night is a folder. Its journal says which step was begun and which is done; pytest runs as a child for each part, and
its results.jsonl say what became of each test. Whoever goes on reads both, and does what is left.
"""
