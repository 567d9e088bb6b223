"""Settings from $DJANGO_DATABASE, a JSON object: Django's own keys of one database."""

from __future__ import annotations

import json
import os

SECRET_KEY = "for tests"
INSTALLED_APPS = ["tests.django_project"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", **json.loads(os.environ["DJANGO_DATABASE"])}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
