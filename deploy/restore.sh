#!/bin/sh
# Usage: deploy/restore.sh FOLDER
# Restore what deploy/backup.sh saved, into a new or an existing stack. The present content of the database is replaced.
# API, workers and sweeper are stopped and stay stopped; `docker compose up --detach` starts them again.
set -eu
folder=${1:?Usage: deploy/restore.sh FOLDER}
[ -s "$folder/database.dump" ] && [ -s "$folder/recordings.tar.gz" ] || { echo "$folder holds no backup." >&2; exit 1; }
docker compose stop api worker sweeper
docker compose up --detach --wait postgres
docker compose run --rm --no-deps -T --entrypoint tar api \
  --extract --gzip --directory=/data < "$folder/recordings.tar.gz"
docker compose exec -T postgres psql --quiet --username=shrutlekh --dbname=shrutlekh --command="DROP SCHEMA public CASCADE; CREATE SCHEMA public"
docker compose exec -T postgres pg_restore --username=shrutlekh --dbname=shrutlekh --no-owner --exit-on-error < "$folder/database.dump"
echo "Restored. Start the service again: docker compose up -d"
