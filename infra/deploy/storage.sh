# shellcheck shell=bash
# The buckets: one for inputs and results, one for the source of Cloud Build. Sourced by infra/deploy.sh.

# ensure_bucket NAME LIFECYCLE [CORS [FLAG…]]
ensure_bucket() {
    local files=("$ROOT/infra/storage/$2") flags mark
    flags=("--lifecycle-file=$ROOT/infra/storage/$2")
    if [[ -n ${3:-} ]]; then
        files+=("$ROOT/infra/storage/$3")
        flags+=("--cors-file=$ROOT/infra/storage/$3")
    fi
    flags+=(--uniform-bucket-level-access --public-access-prevention "${@:4}")
    mark=$(settings_of "$(cat "${files[@]}")" "${#files[@]}" "${@:4}")
    if ! grep -q "^$1"$'\t' <<<"$BUCKET_MARKS"; then
        # Only an update can set labels, CORS and lifecycle.
        change storage buckets create "gs://$1" --location="$REGION" --uniform-bucket-level-access --public-access-prevention \
            --soft-delete-duration=0 ${KMS_KEY:+"--default-encryption-key=$KMS_KEY"}
    fi
    in_place "$(field_of "$BUCKET_MARKS" "$1")" "$mark" || change storage buckets update "gs://$1" "${flags[@]}" --update-labels="app=mediarun,settings=$mark"
}

ensure_buckets() {
    BUCKET_MARKS=$(ask storage storage buckets list --format='value(name,labels.settings)')
    note bucket "$BUCKET_MARKS"
    # Unfinished large uploads end with their session, after a week at most; the sweep ends them earlier.
    if ((PRODUCTION)); then
        ensure_bucket "$BUCKET" lifecycle.json cors.json --soft-delete-duration=7d
    else
        ensure_bucket "$BUCKET" lifecycle.json cors.json --clear-soft-delete
    fi
    ensure_bucket "$BUILD_BUCKET" lifecycle-builds.json
}
