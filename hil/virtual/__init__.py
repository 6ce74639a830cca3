"""Virtual boards: programs of their own, reached only through their serial, control and network ports.

Nothing outside this package may import it, and it imports nothing of the harness but the formats in `hil.wire`: a
test could otherwise take a way that no real board offers.
"""
