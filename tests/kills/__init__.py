"""Runs that are killed at random moments, and what becomes of their bench: `make kills`; see docs/guardian.md.

Two virtual boards stand on their own, as real ones do, with power switches that are commands and keep a diary of their
own. Run after run works on them: flashes them, provisions them, cuts their power. Each is killed at a moment that a
seed chose, and the next starts at once. Of every dead run it is measured how long its remains stay.
"""
