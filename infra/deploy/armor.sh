# shellcheck shell=bash
# --cloud-armor: a global load balancer with Cloud Armor in front of web, for its own domain. Sourced by infra/deploy.sh.
#
# Web is closed to everything but the load balancer once that answers: only when the domain points at its address does Google
# make the certificate. Until then both ways are open, and each run says what is missing. Pub/Sub, Cloud Scheduler and uptime
# checks of the project reach the services as before.
# https://cloud.google.com/load-balancing/docs/https/setup-global-ext-https-serverless

ARMOR=mediarun-web # all its parts have this name
ARMOR_REQUESTS=2000 # of one address a minute; web's own limits by user are lower

# What it is made of, in this order: kind|what to add to reading it|what makes it. Each is made of the ones before.
declare_armor() {
    ARMOR_CERTIFICATE=$ARMOR-$(settings_of "$WEB_HOST" | cut -c 1-8)
    ARMOR_PARTS=(
        "addresses|--global|--global --ip-version=IPV4"
        "network-endpoint-groups||--region=$REGION --network-endpoint-type=serverless --cloud-run-service=$WEB_SERVICE"
        "security-policies||--type=CLOUD_ARMOR"
        "backend-services|--global|--global --load-balancing-scheme=EXTERNAL_MANAGED --protocol=HTTPS --enable-logging --logging-sample-rate=0.1"
        "url-maps|--global|--global --default-service=$ARMOR"
        "ssl-certificates|--global|--global --domains=$WEB_HOST"
        "target-https-proxies|--global|--global --url-map=$ARMOR --ssl-certificates=$ARMOR_CERTIFICATE"
        "forwarding-rules|--global|--global --load-balancing-scheme=EXTERNAL_MANAGED --address=$ARMOR --target-https-proxy=$ARMOR --ports=443"
    )
}

# part_name KIND: a certificate is one of a domain.
part_name() { [[ $1 == ssl-certificates ]] && printf '%s' "$ARMOR_CERTIFICATE" || printf '%s' "$ARMOR"; }

# Sets ARMOR_PRESENT, a line for each part: KIND NAME.
read_armor() {
    local entry kind scope found
    ARMOR_PRESENT=
    for entry in "${ARMOR_PARTS[@]}"; do
        IFS='|' read -r kind scope _ <<<"$entry"
        found=$(ask compute compute "$kind" list ${scope:+"$scope"} --filter="name ~ \"^$ARMOR(-[0-9a-f]{8})?\$\"" --format='value(name)')
        [[ -z $found ]] || ARMOR_PRESENT+=$(awk -v kind="$kind" '{ print kind, $0 }' <<<"$found")$'\n'
    done
}

ensure_part() { # KIND ARGUMENT…
    local name
    name=$(part_name "$1")
    has_line "$ARMOR_PRESENT" "$1 $name" || change compute "$1" create "$name" "${@:2}"
}

# The policy: who asks too often is refused for a while.
ensure_policy() {
    has_line "$(ask compute compute security-policies describe "$ARMOR" --flatten='rules[]' --format='value(rules.priority)')" 1000 ||
        change compute security-policies rules create 1000 --security-policy="$ARMOR" --src-ip-ranges='*' --action=throttle \
            --rate-limit-threshold-count="$ARMOR_REQUESTS" --rate-limit-threshold-interval-sec=60 --conform-action=allow \
            --exceed-action=deny-429 --enforce-on-key=ip --description="requests of one address a minute"
}

ensure_backend() {
    local present
    present=$(ask compute compute backend-services describe "$ARMOR" --global --format='value(securityPolicy.basename(),backends[0].group.basename())')
    [[ -n ${present#*$'\t'} ]] || change compute backend-services add-backend "$ARMOR" --global \
        --network-endpoint-group="$ARMOR" --network-endpoint-group-region="$REGION"
    [[ ${present%%$'\t'*} == "$ARMOR" ]] || change compute backend-services update "$ARMOR" --global --security-policy="$ARMOR"
}

# Another domain has another certificate. The old one is deleted when nothing uses it.
ensure_certificate() {
    local used name
    used=$(ask compute compute target-https-proxies describe "$ARMOR" --global --format='value(sslCertificates[0].basename())')
    [[ $used == "$ARMOR_CERTIFICATE" ]] ||
        change compute target-https-proxies update "$ARMOR" --global --ssl-certificates="$ARMOR_CERTIFICATE"
    while read -r name; do
        [[ -z $name || $name == "$ARMOR_CERTIFICATE" ]] || change compute ssl-certificates delete "$name" --global
    done < <(sed -n 's/^ssl-certificates //p' <<<"$ARMOR_PRESENT")
}

# A dry run cannot look at what is not there.
ensure_armor() {
    local entry kind arguments
    [[ $CLOUD_ARMOR == 1 ]] || return 0
    declare_armor
    is_enabled compute || enable compute.googleapis.com
    read_armor
    for entry in "${ARMOR_PARTS[@]}"; do
        IFS='|' read -r kind _ arguments <<<"$entry"
        # shellcheck disable=SC2086 # words
        ensure_part "$kind" $arguments
        ((DRY_RUN)) && ! has_line "$ARMOR_PRESENT" "$kind $(part_name "$kind")" && continue
        case $kind in
            security-policies) ensure_policy ;;
            backend-services) ensure_backend ;;
            target-https-proxies) ensure_certificate ;;
        esac
    done
    [[ $INGRESS != all ]] || ((DRY_RUN)) ||
        say "note: $WEB_SERVICE is still open beside Cloud Armor. Let the A record of $WEB_HOST be $(armor_address); Google then makes the certificate, within an hour. Then run this again: it closes the other way"
}

# Sets INGRESS and HOPS of web: closed once the load balancer answers, and then for good.
# shellcheck disable=SC2034 # render uses them
choose_ingress() {
    INGRESS=all HOPS=1
    [[ $CLOUD_ARMOR == 1 ]] || return 0
    [[ $WEB_INGRESS == internal-and-cloud-load-balancing ]] || armor_answers || return 0
    INGRESS=internal-and-cloud-load-balancing HOPS=2
}

armor_address() { ask compute compute addresses describe "$ARMOR" --global --format='value(address)'; }

# Google's load balancers say so in the header Via.
armor_answers() {
    curl -s -o /dev/null -D - -m 20 "${PUBLIC_URL%/}/alive" 2>/dev/null | tr -d '\r' | grep -qix 'via: 1.1 google'
}

# --no-cloud-armor and --destroy: after web is open again, from the outside in.
remove_armor() {
    local i kind scope name
    [[ $CLOUD_ARMOR == 0 ]] || ((DESTROY)) || return 0
    # The address goes last: without it nothing is left.
    [[ $(ask compute compute addresses list --global --filter="name=$ARMOR" --format='value(name)') == "$ARMOR" ]] || return 0
    declare_armor
    read_armor
    for ((i = ${#ARMOR_PARTS[@]} - 1; i >= 0; i--)); do
        IFS='|' read -r kind scope _ <<<"${ARMOR_PARTS[i]}"
        [[ $kind != network-endpoint-groups ]] || scope=--region=$REGION
        while read -r name; do
            [[ -z $name ]] || change compute "$kind" delete "$name" ${scope:+"$scope"}
        done < <(sed -n "s/^$kind //p" <<<"$ARMOR_PRESENT")
    done
}
