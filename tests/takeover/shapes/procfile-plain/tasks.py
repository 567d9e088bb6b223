import celery

queue = celery.Celery("tasks")
