"""The programs of others that a rig's flashers, switches and broker run: which they are, and what versions they say.

`tool` has what is known of each, `asking` has one say its version, `used` tells which of them a rig needs, and
`versions` asks those of a bench while it is in use, for run.json. `hil doctor` judges what they say.
"""
