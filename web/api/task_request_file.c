#include "shared/base/encoding.h"
#include "shared/data/object_names.h"
#include "shared/data/orphans.h"
#include "web/api/task_request.h"

#include <openssl/evp.h>

enum { COPY_BYTES = 64 << 10, ORPHAN_AFTER_S = 86400 };

static void digest_cleanup(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
}
#define AUTO_DIGEST __attribute__((cleanup(digest_cleanup)))

bool mr_task_request_is_file(const char *name)
{
    return strcmp(name, "fileName") == 0 || strcmp(name, "file") == 0;
}

/* digest may be NULL. */
static enum mr_status copy_part(struct mr_form *form, struct mr_upload *upload, EVP_MD_CTX *digest,
                                struct mr_err *err)
{
    MR_AUTO_STR char *bytes = malloc(COPY_BYTES);
    if (!bytes)
        return mr_fail_oom(err);
    for (;;) {
        size_t len = 0;
        MR_TRY(mr_form_read(form, bytes, COPY_BYTES, &len, err));
        if (len == 0)
            return MR_OK;
        if (digest && EVP_DigestUpdate(digest, bytes, len) != 1)
            return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
        enum mr_status status = mr_upload_write(upload, bytes, len, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "store the file");
    }
}

static enum mr_status begin_digest(EVP_MD_CTX **ret, struct mr_err *err)
{
    *ret = EVP_MD_CTX_new();
    if (!*ret || EVP_DigestInit_ex(*ret, EVP_sha256(), NULL) != 1)
        return mr_fail_oom(err);
    return MR_OK;
}

static enum mr_status end_digest(EVP_MD_CTX *digest, char out[MR_SHA256_HEX_MAX], struct mr_err *err)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(digest, bytes, &len) != 1 || 2 * len + 1 > MR_SHA256_HEX_MAX)
        return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
    mr_hex_encode(bytes, len, out);
    return MR_OK;
}

/* The bytes go from the form into the upload, and through the digest. */
static enum mr_status store(struct mr_task_request *wanted, struct mr_form *form, struct mr_upload *upload,
                            struct mr_err *err)
{
    struct mr_task_request_file *file = &wanted->file;
    AUTO_DIGEST EVP_MD_CTX *digest = NULL;
    if (wanted->idempotency_key)
        MR_TRY(begin_digest(&digest, err));
    MR_TRY(copy_part(form, upload, digest, err));
    if (mr_upload_size(upload) == 0)
        return mr_fail_code(err, MR_CODE_EMPTY_FILE, "fileName must not be an empty file");
    if (digest)
        MR_TRY(end_digest(digest, file->sha256, err));
    MR_TRY(mr_upload_finish(upload, &file->stored, err));
    file->is_stored = true;
    return MR_OK;
}

enum mr_status mr_task_request_store_file(struct mr_task_request *wanted, struct mr_form *form,
                                          const struct mr_form_part *part, struct mr_err *err)
{
    struct mr_task_request_file *file = &wanted->file;
    if (file->is_stored)
        return mr_fail_code(err, MR_CODE_REPEATED_FIELD, "fileName is given twice: a task has one file");
    if (!part->filename || !part->filename[0])
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "fileName must be a file with a name");
    file->name = mr_file_name_of(part->filename);
    file->is_video = mr_file_is_video(&file->name, part->content_type);
    mr_object_name_input(wanted->file_id, file->object);
    MR_AUTO(mr_upload) struct mr_upload *upload = NULL;
    MR_TRY(mr_orphans_add(wanted->web->db, file->object, ORPHAN_AFTER_S, err));
    MR_TRY(
        mr_upload_begin(wanted->web->cloud.storage, file->object, "application/octet-stream", &upload, err));
    struct mr_span span = mr_span_child(&wanted->span, "upload", MR_SPAN_CLIENT);
    enum mr_status status = store(wanted, form, upload, err);
    mr_span_set_number(&span, "mediarun.bytes", file->stored.size);
    mr_span_end(&span, status);
    return status;
}

void mr_task_request_drop_file(struct mr_task_request *wanted)
{
    if (!wanted->file.is_stored)
        return;
    wanted->file.is_stored = false;
    if (mr_storage_delete(wanted->web->cloud.storage, wanted->file.object, NULL) == MR_OK)
        (void)!mr_orphans_forget(wanted->web->db, wanted->file.object, NULL);
}
