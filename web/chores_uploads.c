/* The chores of direct uploads and of links: what has expired is removed. */
#include "shared/data/links.h"
#include "shared/data/uploads.h"
#include "web/chores.h"

enum { UPLOADS_BATCH = 100, LINKS_BATCH = 1000 };

/* A session lives for a week at most. */
enum { SESSION_LIFE_S = 8 * 86400 };

/* The session first: as long as it lives, it can make the object again. */
static enum mr_status clean_up(struct mr_web *web, const struct mr_upload_record *record, struct mr_err *err)
{
    enum mr_status canceled = mr_storage_cancel_session(web->cloud.storage, record->session_uri, err);
    if (mr_status_is_transient(canceled))
        return canceled;
    enum mr_status status = mr_storage_delete(web->cloud.storage, record->object, err);
    if (status == MR_OK)
        status = mr_uploads_forget(web->db, record->id, canceled == MR_OK ? 0 : SESSION_LIFE_S, err);
    return status;
}

enum mr_status mr_chore_expire_uploads(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    struct mr_upload_record *records = calloc(UPLOADS_BATCH, sizeof *records);
    if (!records)
        return mr_fail_oom(err);
    size_t count = 0;
    enum mr_status status = mr_uploads_give_up(web->db, records, UPLOADS_BATCH, &count, err);
    for (size_t i = 0; i < count; i++) {
        if (status == MR_OK)
            status = clean_up(web, &records[i], err);
        if (status == MR_OK)
            ++*total;
        mr_upload_record_free(&records[i]);
    }
    free(records);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "expire uploads");
}

enum mr_status mr_chore_expire_links(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    enum mr_status status = mr_links_expire(web->db, LINKS_BATCH, total, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "expire links");
}
