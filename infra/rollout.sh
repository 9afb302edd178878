#!/usr/bin/env bash
# Deploys new images to the two services. If a step fails, all traffic goes back to the old revisions. cloudbuild.yaml
# runs it; the settings of the services stay as infra/deploy.sh set them.
#
#   PROJECT_ID=… REGION=… infra/rollout.sh WEB-IMAGE WORKER-IMAGE        (images by digest)
#
# A revision that does not reach its database, bucket and topics does not start, so the rollout ends there. The steps:
#   1. The new web revision starts without traffic. At start it migrates the database, under a lock; a migration only adds,
#      so the old revisions keep working. Its own URL must answer; behind a load balancer (infra/deploy/armor.sh) no request reaches
#      that, and its start has to do.
#   2. The new worker revision starts and gets the pushes. A message must pass through the whole loop.
#   3. The new web revision gets the traffic, and both checks are repeated.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"

tag=candidate
web=mediarun-web worker=mediarun-worker
web_image=${1:?WEB-IMAGE} worker_image=${2:?WORKER-IMAGE}
patience=${PATIENCE_SECONDS:-120}
ingress=all # the ways that lead to web
declare -A before=() # service → the revision that had the traffic before

services() { gcloud run services "$@" --project="$PROJECT_ID" --region="$REGION" --quiet; }

# serving SERVICE: prints the revision that has all the traffic.
serving() {
    services describe "$1" --flatten='status.traffic[]' --format='value(status.traffic.percent,status.traffic.revisionName)' |
        awk '$1 == 100 { print $2 }'
}
address_of_tag() {
    services describe "$1" --flatten='status.traffic[]' --format='value(status.traffic.tag,status.traffic.url)' |
        awk -v tag="$tag" '$1 == tag { print $2 }'
}
# Where web is reached: by its own URL, or by its domain alone if it is closed to other ways.
address() {
    [[ $ingress == all ]] && services describe "$web" --format='value(status.url)' && return
    services describe "$web" --flatten='spec.template.spec.containers[0].env[]' \
        --format='value(spec.template.spec.containers.env.name,spec.template.spec.containers.env.value)' |
        awk -F '\t' '$1 == "PUBLIC_URL" { sub("/$", "", $2); print $2 }'
}
answers() { [[ $(curl -s -o /dev/null -m 20 -w '%{http_code}' "$1" || true) == 200 ]]; }
demand() { # URL STEP
    wait_until "$patience" answers "$1" || die "$2: $1 does not answer with 200"
    say "ok: $2"
}

# Sends all traffic to the newest revision, as infra/deploy.sh does.
give_traffic() { services update-traffic "$1" --to-latest --remove-tags="$tag"; }

back() {
    local status=$? service
    trap - EXIT
    ((status == 0)) && exit 0
    for service in "${!before[@]}"; do
        say "rolling back to ${before[$service]}"
        services update-traffic "$service" --to-revisions="${before[$service]}=100" || say "cannot roll back $service: see docs/operations.md"
    done
    exit "$status"
}

main() {
    local service
    for service in "$web" "$worker"; do
        before[$service]=$(serving "$service")
        [[ -n ${before[$service]} ]] || die "$service has no revision with all the traffic: run infra/deploy.sh first"
    done
    ingress=$(services describe "$web" --format='value(metadata.annotations."run.googleapis.com/ingress")')
    trap back EXIT
    trap 'exit 143' TERM INT
    services update "$web" --image="$web_image" --no-traffic --tag="$tag"
    [[ $ingress != all ]] || demand "$(address_of_tag "$web")/api-health" "the new web revision reaches its database"
    services update "$worker" --image="$worker_image" --no-traffic --tag="$tag"
    give_traffic "$worker"
    demand "$(address)/converter-health?wait=1" "a message passes through the new worker"
    give_traffic "$web"
    demand "$(address)/api-health" "the new web revision has the traffic"
    demand "$(address)/converter-health?wait=1" "a message passes through the whole loop"
}
main
