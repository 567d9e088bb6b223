"""A Flask application made by a factory, with Celery as Flask's documentation has it."""

import os

from celery import Celery, Task
from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(
        TAX_PERCENT=int(os.environ.get("TAX_PERCENT", "19")),
        CELERY={
            "broker_url": os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
            "result_backend": os.environ.get("CELERY_RESULT_BACKEND", "redis://127.0.0.1:6379/1"),
            "broker_connection_retry_on_startup": True,
            "task_ignore_result": True,
        },
    )
    app.config.from_prefixed_env()
    celery_init_app(app)
    from sums import views

    app.register_blueprint(views.blueprint)
    return app


def celery_init_app(app: Flask) -> Celery:
    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app
