"""A Django project on PostgreSQL whose tasks use the ORM, for tests."""
