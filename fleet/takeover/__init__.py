"""Files that run Celery workers today, turned into a fleet.toml: texts in, a text and what is left over out.

Nothing here runs a command, imports the app, or asks a broker.
"""
