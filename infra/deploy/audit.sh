# shellcheck shell=bash
# --audit-logs: Cloud Audit Logs of who reads and writes data. Google charges for them by volume. Sourced by infra/deploy.sh.

# Only the part of the policy that is named in the mask is written, so no grant is touched (CRM v1, setIamPolicy).
ensure_audit_logs() {
    ((AUDIT_LOGS)) || return 0
    local present url
    present=$(ask cloudresourcemanager projects get-iam-policy "$PROJECT" --flatten='auditConfigs[]' --format='value(auditConfigs.service)')
    if [[ -n $present ]]; then
        has_line "$present" allServices || has_line "$present" storage.googleapis.com ||
            say "note: $PROJECT has an audit configuration of its own, which is left as it is: add what infra/audit-logs.json has"
        return 0
    fi
    url=$(api_url cloudresourcemanager "v1/projects/$PROJECT:setIamPolicy")
    change_by_rest POST "$url" "$ROOT/infra/audit-logs.json" infra/audit-logs.json
}
