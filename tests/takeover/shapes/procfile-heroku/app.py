from flask import Flask


def make_celery(flask): ...


app = Flask(__name__)
celery = make_celery(app)
