"""Judging the judges: firmware that is broken in one way each, and the scenarios that must notice."""
