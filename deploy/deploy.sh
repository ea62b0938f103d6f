#!/usr/bin/env bash
# Put a version of the app into service without losing a request. docs/deploy-aws.md tells how to prepare the host.
#
#   deploy/deploy.sh 123456789012.dkr.ecr.eu-west-1.amazonaws.com/chest-cancer@sha256:0123…
#
# Two containers take turns, blue and green, each with its port. The file `port` says which one serves; the proxy reads
# it at each request. The new one starts beside the old one, and the file changes when it has passed its
# self-test. Until then the old one serves, whatever happens; after a kill the next run tidies up.
#
# In CHEST_CANCER_HOME: data/, if there is one, is what the app serves (else the image has its model in it); app.env, if
# there is one, holds the app's settings; self-test/<label>_*.png, if there are any, are images that must be answered so.
set -euo pipefail

home=${CHEST_CANCER_HOME:-/var/lib/chest-cancer}
read -r blue_port green_port <<< "${CHEST_CANCER_PORTS:-8081 8082}"
ready_seconds=${CHEST_CANCER_READY_SECONDS:-60} # from start to passed self-test
drain_seconds=${CHEST_CANCER_DRAIN_SECONDS:-5}  # from the switch until the old one is told to stop
memory=${CHEST_CANCER_MEMORY:-2g}

say() { echo "deploy: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

image=${1:-}
[[ $image =~ ^[^@]+@sha256:[0-9a-f]{64}$ ]] || fail "Expected an image by digest, <repository>@sha256:<64 digits>. Received: ${image:-nothing}"
[[ -w $home ]] || fail "Expected a folder that $(id -un) may write to: $home. Make it, or set CHEST_CANCER_HOME."
if grep --quiet --no-messages '^AWS_' "$home/app.env"; then
    fail "$home/app.env holds AWS_ settings. The app needs none: remove them."
fi

exec 9> "$home/lock"
flock --timeout 300 9 || fail "Another deployment holds $home/lock."

# Nothing between here and the switch touches the old one.
if [[ $(cat "$home/port" 2> /dev/null) == "$blue_port" ]]; then
    old=chest-cancer-blue new=chest-cancer-green port=$green_port
else
    old=chest-cancer-green new=chest-cancer-blue port=$blue_port
fi

# What rollback.sh returns to: what served before. Deployed once more, a version keeps its predecessor.
previous=$(docker inspect --format '{{.Config.Image}}' "$old" 2> /dev/null || true)
if [[ $previous == "$image" ]]; then
    previous=$(docker inspect --format '{{index .Config.Labels "chest-cancer.previous"}}' "$old")
fi

if ! docker image inspect "$image" > /dev/null 2>&1; then
    docker pull --quiet "$image" || fail "Could not pull $image. Nothing has changed."
fi

options=(
    --name "$new" --detach --restart unless-stopped
    --label "chest-cancer.previous=$previous"
    --publish "127.0.0.1:$port:8080"
    --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
    --memory "$memory" --pids-limit 512
    --log-opt max-size=10m --log-opt max-file=5
)
[[ -e $home/app.env ]] && options+=(--env-file "$home/app.env")
[[ -e $home/data ]] && options+=(--volume "$home/data:/srv/chest-cancer/data:ro")

give_up() {
    docker logs --tail 50 "$new" >&2 || true
    docker rm --force "$new" > /dev/null || true
    say "$image was not put into service. $old is as it was."
}
docker rm --force "$new" > /dev/null 2>&1 || true
trap give_up EXIT
docker run "${options[@]}" "$image" > /dev/null
python3 "$(dirname "$0")/self_test.py" "http://127.0.0.1:$port" --seconds "$ready_seconds" \
    --images "$home/self-test" --settings "$home/app.env"

printf '%s' "$port" > "$home/port.next"
mv "$home/port.next" "$home/port"
trap - EXIT
say "$new serves $image."

if docker inspect "$old" > /dev/null 2>&1; then
    sleep "$drain_seconds"
    # Longer than gunicorn gives the requests in flight. Stopped, not removed: so its image is not pruned.
    docker stop --time 40 "$old" > /dev/null || say "$old did not stop; it serves nobody."
fi
docker image prune --all --force --filter label=org.opencontainers.image.title=chest-cancer-serve > /dev/null ||
    say "Old images could not be removed."
