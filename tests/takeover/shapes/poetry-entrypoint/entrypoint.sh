#!/bin/bash -e
case "$1" in
  worker)
    exec gosu app poetry run celery --app=src.app.main:celery_app --broker=redis://cache:6379/2 --workdir=/code worker --loglevel=DEBUG -c4 -Qdefault --disable-prefetch -X legacy --purge ;;
  *)
    exec "$@" ;;
esac
