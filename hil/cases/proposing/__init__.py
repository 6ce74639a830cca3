"""What the field's files say of a failure: sightings, and from these what a case may say.

recognising.py tells what a file is; from_timeline.py, from_broker_log.py, from_console.py and from_pcap.py look for
sightings in one; remedies.py has, for each thing that can be seen, what a case has to say to bring it about;
drafting.py makes a case of all of it.
"""
