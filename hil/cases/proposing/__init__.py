"""What the field's files say of a failure: sightings, and from these what a case may say.

recognising.py tells what a file is. from_timeline.py, from_broker_log.py, from_console.py (with cycle.py), from_pcap.py
and from_chain.py (both with chains.py) look for sightings in one; sighting.py says what that is, outranking.py which of
them only looks like another. remedies.py has, for each thing that can be seen, what a case has to say to bring it
about, hypotheses.py the things that may be behind it where these are several. hil/cases/drafting.py makes a case of it.
"""
