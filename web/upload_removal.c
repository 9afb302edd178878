#include "web/upload_removal.h"

enum { SESSION_LIFE_S = 8 * 86400 /* an upload session lives for at most a week */ };

/* The session goes first: while it lives, its client can store the object again. */
enum mr_status mr_upload_remove(struct mr_web *web, const struct mr_upload_record *record, struct mr_err *err)
{
    enum mr_status canceled = mr_storage_cancel_session(web->cloud.storage, record->session_uri, err);
    if (mr_status_is_transient(canceled))
        return canceled;
    MR_TRY(mr_storage_delete(web->cloud.storage, record->object, err));
    return mr_uploads_forget(web->db, record->id, canceled == MR_OK ? 0 : SESSION_LIFE_S, err);
}
