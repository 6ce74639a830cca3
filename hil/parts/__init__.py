"""Makes the parts of a bench as its rig file says: the one room where rig entries become objects."""
