"""What a run leaves behind, made from its timeline and its verdicts."""
