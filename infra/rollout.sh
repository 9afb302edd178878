#!/usr/bin/env bash
# Puts new images into the two services; whatever goes wrong, the traffic is where it was. Run by cloudbuild.yaml;
# all settings of the services stay as infra/deploy.sh has made them.
#
#   PROJECT_ID=… REGION=… infra/rollout.sh WEB-IMAGE WORKER-IMAGE        (by digest)
#
# A revision that does not find its database, bucket and topics does not start, so it never gets here. The order:
#   1. web's new revision starts without traffic. Its start brings the database's tables up to date, under a lock; a
#      migration only adds, so the revisions that still serve can go on. Its own address must answer.
#   2. worker's new revision starts, and gets the pushes. A message must go through the loop and come back.
#   3. web's new revision gets the traffic, and is asked once more.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"

tag=candidate
web=mediarun-web worker=mediarun-worker
web_image=${1:?WEB-IMAGE} worker_image=${2:?WORKER-IMAGE}
patience=${PATIENCE_SECONDS:-120}
declare -A before=() # service → the revision that had the traffic

services() { gcloud run services "$@" --project="$PROJECT_ID" --region="$REGION" --quiet; }

# serving SERVICE: the revision that has all the traffic.
serving() {
    services describe "$1" --flatten='status.traffic[]' --format='value(status.traffic.percent,status.traffic.revisionName)' |
        awk '$1 == 100 { print $2 }'
}
address_of_tag() {
    services describe "$1" --flatten='status.traffic[]' --format='value(status.traffic.tag,status.traffic.url)' |
        awk -v tag="$tag" '$1 == tag { print $2 }'
}
address() { services describe "$1" --format='value(status.url)'; }
answers() { [[ $(curl -s -o /dev/null -m 20 -w '%{http_code}' "$1" || true) == 200 ]]; }
demand() { # URL WHAT
    wait_until "$patience" answers "$1" || die "$2: $1 does not answer 200"
    say "ok: $2"
}

# With traffic on whatever is newest, which is how infra/deploy.sh leaves it.
give_traffic() { services update-traffic "$1" --to-latest --remove-tags="$tag"; }

back() {
    local status=$? service
    trap - EXIT
    ((status == 0)) && exit 0
    for service in "${!before[@]}"; do
        say "back to ${before[$service]}"
        services update-traffic "$service" --to-revisions="${before[$service]}=100" || say "that failed: see docs/operations.md"
    done
    exit "$status"
}

main() {
    local service
    for service in "$web" "$worker"; do
        before[$service]=$(serving "$service")
        [[ -n ${before[$service]} ]] || die "no revision of $service has all the traffic: run infra/deploy.sh first"
    done
    trap back EXIT
    trap 'exit 143' TERM INT
    services update "$web" --image="$web_image" --no-traffic --tag="$tag"
    demand "$(address_of_tag "$web")/api-health" "web's new revision reaches its database"
    services update "$worker" --image="$worker_image" --no-traffic --tag="$tag"
    give_traffic "$worker"
    demand "$(address "$web")/converter-health?wait=1" "a message reaches the new worker and comes back"
    give_traffic "$web"
    demand "$(address "$web")/api-health" "web has the traffic"
    demand "$(address "$web")/converter-health?wait=1" "the whole loop"
}
main
