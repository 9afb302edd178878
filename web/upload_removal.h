/* The end of a direct upload that no task takes. */
#ifndef MR_WEB_UPLOAD_REMOVAL_H
#define MR_WEB_UPLOAD_REMOVAL_H

#include "shared/data/uploads.h"
#include "web/app.h"

/* Cancels the session of an upload that was given up, and deletes its object and its row. What fails is done again by
 * the sweep. Any thread. */
MR_MUST_CHECK enum mr_status mr_upload_remove(struct mr_web *web, const struct mr_upload_record *record,
                                              struct mr_err *err);

#endif
