"""A Celery app as what a worker runs (decisions/0091). The one package that imports Celery.

The worker finds it by name, for an entry of `app` like "proj.celery:app" (`fleet/worker/app.py`).
"""
