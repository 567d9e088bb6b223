"""What workers load: `celery -A make_celery worker`, and `app = "make_celery:celery_app"` in fleet.toml."""

from sums import create_app

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
