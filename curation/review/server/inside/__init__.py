"""What runs within argilla-server's own environment, started by process.py: launch.py is the entry.

It imports argilla_server, its dependencies and the standard library, and nothing else of this project: the two
environments share no package. The server's state is what Argilla's own SQLite file holds.
"""
