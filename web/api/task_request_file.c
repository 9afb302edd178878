#include "shared/data/strays.h"
#include "web/api/task_request.h"

#include <openssl/evp.h>

enum { COPY_BYTES = 64 << 10, STRAY_AFTER_S = 86400 };

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
        enum mr_status status = mr_form_read(form, bytes, COPY_BYTES, &len, err);
        if (status != MR_OK || len == 0)
            return status;
        if (digest && EVP_DigestUpdate(digest, bytes, len) != 1)
            return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
        status = mr_upload_write(upload, bytes, len, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "store the upload");
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

/* All but the metadata: the bytes go from the form into the upload, and through the digest. */
static enum mr_status store(struct mr_task_request *wanted, struct mr_form *form, struct mr_upload *upload,
                            struct mr_err *err)
{
    struct mr_task_request_file *file = &wanted->file;
    AUTO_DIGEST EVP_MD_CTX *digest = NULL;
    enum mr_status status = wanted->idempotency_key ? begin_digest(&digest, err) : MR_OK;
    if (status == MR_OK)
        status = copy_part(form, upload, digest, err);
    if (status == MR_OK && mr_upload_size(upload) == 0)
        status = mr_fail_code(err, MR_CODE_EMPTY_FILE, "fileName: the file is empty");
    if (status == MR_OK && digest)
        status = end_digest(digest, file->sha256, err);
    if (status == MR_OK)
        status = mr_upload_finish(upload, &file->stored, err);
    file->is_stored = status == MR_OK;
    return status;
}

enum mr_status mr_task_request_store_file(struct mr_task_request *wanted, struct mr_form *form,
                                          const struct mr_form_part *part, struct mr_err *err)
{
    struct mr_task_request_file *file = &wanted->file;
    if (file->is_stored)
        return mr_fail_code(err, MR_CODE_REPEATED_FIELD, "fileName: one file for one task");
    if (!part->filename || !part->filename[0])
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "fileName: a file with a name is needed");
    file->name = mr_file_name_of(part->filename);
    file->is_video = mr_file_is_video(&file->name, part->content_type);
    snprintf(file->object, sizeof file->object, "inputs/%s", wanted->file_id);
    MR_AUTO(mr_upload) struct mr_upload *upload = NULL;
    enum mr_status status = mr_strays_add(wanted->web->db, file->object, STRAY_AFTER_S, err);
    if (status == MR_OK)
        status = mr_upload_begin(wanted->web->cloud.storage, file->object, "application/octet-stream",
                                 &upload, err);
    return status == MR_OK ? store(wanted, form, upload, err) : status;
}

void mr_task_request_drop_file(struct mr_task_request *wanted)
{
    struct mr_err ignored;
    if (!wanted->file.is_stored)
        return;
    wanted->file.is_stored = false;
    if (mr_storage_delete(wanted->web->cloud.storage, wanted->file.object, &ignored) == MR_OK)
        (void)!mr_strays_forget(wanted->web->db, wanted->file.object, &ignored);
}
