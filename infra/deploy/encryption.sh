# shellcheck shell=bash
# --kms-key: a key of Cloud KMS instead of Google's own. Secrets stay with Google's, because they are stored in all regions.
# Sourced by infra/deploy.sh.

# service|its agent, which encrypts and decrypts
KEY_USERS=(
    'sqladmin|gcp-sa-cloud-sql'
    'storage|gs-project-accounts'
    'pubsub|gcp-sa-pubsub'
    'artifactregistry|gcp-sa-artifactregistry'
    'run|serverless-robot-prod'
)

# Lets the agents of the services use the key. It may be in another project.
ensure_key() {
    [[ -n $KMS_KEY ]] || return 0
    local entry member policy role=roles/cloudkms.cryptoKeyEncrypterDecrypter
    is_enabled cloudkms || enable cloudkms.googleapis.com
    policy=$(ask cloudkms kms keys get-iam-policy "$KMS_KEY" --flatten='bindings[].members' --format='value(bindings.role,bindings.members)')
    for entry in "${KEY_USERS[@]}"; do
        member=serviceAccount:service-$NUMBER@${entry#*|}.iam.gserviceaccount.com
        ! has_line "$policy" "$role"$'\t'"$member" || continue
        if [[ ${entry%%|*} == storage ]]; then
            ((DRY_RUN)) || google "the bucket's agent" storage service-agent >/dev/null # made by asking for it
        else
            change beta services identity create --service="${entry%%|*}.googleapis.com"
        fi
        change kms keys add-iam-policy-binding "$KMS_KEY" --member="$member" --role="$role"
    done
}
