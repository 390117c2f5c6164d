"""An Argilla of one's own, in one command: no Docker, no Elasticsearch, no Redis.

environment.py   makes the virtual environment that argilla-server needs for itself, once, from requirements.lock
process.py       starts, finds, stops and backs up the server of a project
inside/          what runs within that environment: it imports argilla_server, and nothing of ours
"""
