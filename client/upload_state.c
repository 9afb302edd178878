#include "client/upload_state.h"

#include "client/files.h"
#include "shared/base/encoding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { STATE_MAX = 64 << 10, NAME_DIGEST_BYTES = 16, KEPT_SECONDS = 7 * 86400 };
#define PREFIX "upload-"

void mr_cli_upload_state_free(struct mr_cli_upload_state *state)
{
    if (state->fd >= 0 && !state->has_session && !state->is_changed)
        unlink(state->path); /* it is empty */
    if (state->fd >= 0)
        close(state->fd); /* and the lock is gone */
    free(state->path);
    *state = MR_CLI_UPLOAD_STATE_INIT;
}

/* One file for each server and path. */
static enum mr_status path_of(const struct mr_cli_settings *settings, const char *path, char **ret,
                              struct mr_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * NAME_DIGEST_BYTES + 1], name[sizeof PREFIX + sizeof hex];
    MR_AUTO_STR char *text = NULL;
    if (asprintf(&text, "%s\n%s", settings->server, path) < 0)
        return mr_fail_oom(err);
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
    mr_hex_encode(digest, NAME_DIGEST_BYTES, hex);
    snprintf(name, sizeof name, PREFIX "%s", hex);
    return mr_cli_join(settings->state_directory, name, ret, err);
}

static void remove_old(const char *directory)
{
    DIR *found = opendir(directory);
    struct stat facts;
    struct dirent *entry;
    while (found && (entry = readdir(found)))
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            fstatat(dirfd(found), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
            facts.st_mtime < time(NULL) - KEPT_SECONDS)
            unlinkat(dirfd(found), entry->d_name, 0);
    if (found)
        closedir(found);
}

/* False for a document that has no session. */
static bool read_session(json_t *document, struct mr_cli_session *ret)
{
    const char *id = NULL, *url = NULL;
    json_int_t multiple = 0;
    int is_sent = 0;
    if (json_unpack(document, "{s:s,s:s,s:I,s:b}", "upload_id", &id, "upload_url", &url, "chunk_multiple",
                    &multiple, "sent", &is_sent) != 0 ||
        !mr_uuid_is_valid(id) || strlen(url) >= sizeof ret->url || multiple < 1)
        return false;
    snprintf(ret->upload_id, sizeof ret->upload_id, "%s", id);
    snprintf(ret->url, sizeof ret->url, "%s", url);
    ret->chunk_multiple = multiple;
    ret->is_sent = is_sent;
    return true;
}

/* What tells whether the file is still the one that was being sent. */
static json_t *facts_of(const struct mr_cli_settings *settings, const struct mr_cli_input *input)
{
    return json_pack("{s:s,s:I,s:I,s:I,s:I}", "server", settings->server, "size", (json_int_t)input->size,
                     "modified_ns", (json_int_t)input->modified_ns, "device", (json_int_t)input->device,
                     "inode", (json_int_t)input->inode);
}

static enum mr_status load(struct mr_cli_upload_state *state, const struct mr_cli_settings *settings,
                           const struct mr_cli_input *input, struct mr_err *err)
{
    MR_AUTO_STR char *text = NULL;
    size_t len = 0;
    MR_TRY(mr_cli_read_all(state->fd, state->path, STATE_MAX, &text, &len, err));
    MR_AUTO_JSON json_t *document = json_loadb(text, len, 0, NULL);
    MR_AUTO_JSON json_t *facts = facts_of(settings, input);
    if (!facts)
        return mr_fail_oom(err);
    if (!document || !read_session(document, &state->session))
        return MR_OK; /* empty, or a crash has cut it */
    state->has_session = json_equal(json_object_get(document, "file"), facts);
    state->is_changed = !state->has_session;
    return MR_OK;
}

enum mr_status mr_cli_upload_state_open(const struct mr_cli_settings *settings,
                                        const struct mr_cli_input *input, struct mr_cli_upload_state *ret,
                                        struct mr_err *err)
{
    if (!input->path || mr_cli_make_directory(settings->state_directory, NULL) != MR_OK)
        return MR_OK;
    remove_old(settings->state_directory);
    MR_TRY(path_of(settings, input->path, &ret->path, err));
    ret->fd = open(ret->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ret->fd < 0)
        return MR_OK;
    if (flock(ret->fd, LOCK_EX | LOCK_NB) != 0) {
        close(ret->fd);
        ret->fd = -1;
        return MR_OK;
    }
    return load(ret, settings, input, err);
}

enum mr_status mr_cli_upload_state_save(struct mr_cli_upload_state *state,
                                        const struct mr_cli_settings *settings,
                                        const struct mr_cli_input *input, struct mr_err *err)
{
    const struct mr_cli_session *session = &state->session;
    state->has_session = true;
    if (state->fd < 0)
        return MR_OK;
    MR_AUTO_JSON json_t *facts = facts_of(settings, input);
    MR_AUTO_JSON json_t *document = json_pack(
        "{s:s,s:s,s:I,s:b,s:O*}", "upload_id", session->upload_id, "upload_url", session->url,
        "chunk_multiple", (json_int_t)session->chunk_multiple, "sent", session->is_sent, "file", facts);
    MR_AUTO_STR char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    if (!text)
        return mr_fail_oom(err);
    if (ftruncate(state->fd, 0) != 0 || lseek(state->fd, 0, SEEK_SET) != 0)
        return mr_cli_fail_file(err, state->path, errno);
    return mr_cli_write_all(state->fd, state->path, text, strlen(text), err);
}

void mr_cli_upload_state_clear(struct mr_cli_upload_state *state)
{
    state->has_session = state->is_changed = false;
    state->session = (struct mr_cli_session){0};
    if (state->fd >= 0)
        (void)!ftruncate(state->fd, 0);
}

void mr_cli_upload_state_remove(struct mr_cli_upload_state *state)
{
    state->has_session = state->is_changed = false;
    mr_cli_upload_state_free(state);
}
