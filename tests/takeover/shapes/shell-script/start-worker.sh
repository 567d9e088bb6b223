#!/usr/bin/env bash
set -euo pipefail

APP=${APP:-backend.worker}
export CELERY_BROKER_URL="amqp://backend:s3cret@rabbit//backend"
LOG_LEVEL="warning"   # quieter

cd /srv/backend
python -m pip check
if [ "${1:-}" = "beat" ]; then
    exec celery -A "$APP" beat
fi

# it's the one that does the work
exec python -m celery -A "$APP" -b "$CELERY_BROKER_URL" worker \
    --pool=threads \
    --concurrency "${CONCURRENCY:-16}" \
    --queues=high,low \
    -l "$LOG_LEVEL" -n "backend@$(hostname)" 2>&1 | tee -a /var/log/worker.log
