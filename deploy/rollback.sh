#!/usr/bin/env bash
# Put the version back into service that served before this one; once more, and it is undone. Takes no argument.
set -euo pipefail

home=${CHEST_CANCER_HOME:-/var/lib/chest-cancer}
read -r blue_port _ <<< "${CHEST_CANCER_PORTS:-8081 8082}"

active=chest-cancer-green
if [[ $(cat "$home/port") == "$blue_port" ]]; then
    active=chest-cancer-blue
fi
previous=$(docker inspect --format '{{index .Config.Labels "chest-cancer.previous"}}' "$active")
if [[ -z $previous ]]; then
    echo "rollback: $active is the first version here: there is none to return to." >&2
    exit 1
fi
exec "$(dirname "$0")/deploy.sh" "$previous"
