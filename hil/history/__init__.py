"""What has been found over many runs: kept in a database as tests finish, and asked for what has changed.

Nothing here is imported by the pytest plugin before a test with a board has ended: SQLAlchemy takes its time.
"""
