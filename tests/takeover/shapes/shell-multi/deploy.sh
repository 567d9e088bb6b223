#!/bin/sh
cd "$(dirname "$0")"
celery -A etl multi stopwait 3 --pidfile=/run/%n.pid
celery -A etl multi start 10 -c 2 -Q:1-3 images,video -Q:4,5 data -Q default -L:4,5 debug --pidfile=/run/%n.pid --logfile=/var/log/%n%I.log
celery -A other worker -Q other
