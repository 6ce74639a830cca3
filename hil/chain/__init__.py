"""`hil chain`: a server's certificate chain, looked at from a device's side, and what the device needs to trust.

Fetched (`fetch`), put in order (`path`), checked (`check`), judged for what is about to change (`outlook`), reduced to
trust anchors (`choose`), shown (`report`) and written as PEM or source constants (`files`).
"""
