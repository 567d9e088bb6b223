"""As Celery's documentation has it for Django: the app is loaded with the project, so that shared_task finds it."""

from .celery import app as celery_app

__all__ = ("celery_app",)
