"""By `manage.py makemigrations`."""
