#!/bin/sh
# Usage: deploy/backup.sh FOLDER    The stack may be running. Database first: a recording that comes later is then
# a file too many, which the sweeper removes, and never a job without its file.
set -eu
folder=${1:?Usage: deploy/backup.sh FOLDER}
mkdir -p "$folder"
docker compose exec -T postgres pg_dump --username=shrutlekh --dbname=shrutlekh --format=custom > "$folder/database.dump.part"
docker compose run --rm --no-deps -T --entrypoint tar api --create --gzip --exclude=./draining --directory=/data . > "$folder/recordings.tar.gz.part"
mv "$folder/database.dump.part" "$folder/database.dump"
mv "$folder/recordings.tar.gz.part" "$folder/recordings.tar.gz"
echo "Saved in $folder: $(du -sh "$folder" | cut -f1)"
