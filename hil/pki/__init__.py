"""A hierarchy of certificate authorities described in a file, and the devices below it: made, kept, renewed, revoked.

description.py   the file: its tables and keys
plan.py          the file worked out: who is issued by whom, with which fields
passphrase.py    where passphrases come from
shelf.py         the directory: what was issued, whole or not at all
chains.py        who signed what, which roots are trusted
hierarchy.py     issue, renew, rotate, revoke, import
listing.py       the table and the tree
openssl.py       the same hierarchy for openssl: configuration and commands
eventgrid.py     what Azure Event Grid needs on top
command.py       `hil pki`
"""
