#!/bin/sh
# Usage: deploy/backup.sh FOLDER
# Save the database and the recordings of the compose stack, which may be running. The database is saved first: a
# recording that arrives meanwhile is then a file without a job, which the sweeper removes, not a job without its file.
set -eu
folder=${1:?Usage: deploy/backup.sh FOLDER}
mkdir -p "$folder"
docker compose exec -T postgres pg_dump --username=shrutlekh --dbname=shrutlekh --format=custom --exclude-table-data=drain > "$folder/database.dump.part"
docker compose run --rm --no-deps -T --entrypoint tar api --create --gzip --directory=/data . > "$folder/recordings.tar.gz.part"
mv "$folder/database.dump.part" "$folder/database.dump"
mv "$folder/recordings.tar.gz.part" "$folder/recordings.tar.gz"
echo "Saved in $folder: $(du -sh "$folder" | cut -f1)"
