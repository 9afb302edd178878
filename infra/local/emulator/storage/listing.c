#include "infra/local/emulator/storage/listing.h"

#include "shared/base/encoding.h"

/*
 * A page token is base64 of the last entry: 'n' and a name, or 'p' and a prefix. After a prefix, everything
 * under the prefix is skipped as well.
 */
enum { TOKEN_NAME = 'n', TOKEN_PREFIX = 'p' };

struct walk {
    const struct em_index *index;
    const struct em_list_query *query;
    const char *prefix; /* never NULL */
    size_t at;
    char last_kind; /* of the entry listed last, for the next page's token; 0: none yet */
    const char *last;
    size_t last_len;
};

void em_listing_free(struct em_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        em_stored_unref(listing->items[i]);
    free(listing->items);
    free(listing->next_page_token);
    json_decref(listing->prefixes);
    *listing = (struct em_listing){0};
}

static void skip_below(struct walk *walk, const char *prefix, size_t len)
{
    while (walk->at < walk->index->count && !strncmp(walk->index->items[walk->at]->name, prefix, len))
        walk->at++;
}

static void start_at_least(struct walk *walk, const char *name)
{
    size_t at = name ? em_index_lower_bound(walk->index, name) : 0;
    if (at > walk->at)
        walk->at = at;
}

static enum mr_status start_after_token(struct walk *walk, struct mr_err *err)
{
    const char *text = walk->query->page_token;
    unsigned char *decoded = NULL;
    size_t len = 0;
    if (mr_base64_decode(text, strlen(text), &decoded, &len, NULL) != MR_OK)
        return mr_fail(err, MR_INVALID, "Invalid page token: %s", text);
    MR_AUTO_STR char *token = (char *)decoded;
    if (len < 2 || (token[0] != TOKEN_NAME && token[0] != TOKEN_PREFIX))
        return mr_fail(err, MR_INVALID, "Invalid page token: %s", text);
    start_at_least(walk, token + 1);
    if (token[0] == TOKEN_PREFIX)
        skip_below(walk, token + 1, strlen(token + 1));
    else if (walk->at < walk->index->count && !strcmp(walk->index->items[walk->at]->name, token + 1))
        walk->at++;
    return MR_OK;
}

/* True if the entry at the walk's position belongs to the listing. */
static bool in_reach(const struct walk *walk)
{
    if (walk->at >= walk->index->count)
        return false;
    const char *name = walk->index->items[walk->at]->name, *end = walk->query->end_offset;
    return !strncmp(name, walk->prefix, strlen(walk->prefix)) && (!end || strcmp(name, end) < 0);
}

/* Adds the entry at the walk's position to the listing and moves past it. */
static enum mr_status take(struct walk *walk, struct em_listing *listing, struct mr_err *err)
{
    struct em_stored *stored = walk->index->items[walk->at];
    const char *delimiter = walk->query->delimiter;
    const char *fold =
        delimiter && *delimiter ? strstr(stored->name + strlen(walk->prefix), delimiter) : NULL;
    walk->last = stored->name;
    if (!fold) {
        listing->items[listing->count++] = em_stored_ref(stored);
        walk->last_kind = TOKEN_NAME;
        walk->last_len = strlen(stored->name);
        walk->at++;
        return MR_OK;
    }
    walk->last_kind = TOKEN_PREFIX;
    walk->last_len = (size_t)(fold - stored->name) + strlen(delimiter);
    if (!stored->name[walk->last_len] && walk->query->include_trailing_delimiter)
        listing->items[listing->count++] = em_stored_ref(stored);
    if (!listing->prefixes)
        listing->prefixes = json_array();
    if (json_array_append_new(listing->prefixes, json_stringn(walk->last, walk->last_len)) < 0)
        return mr_fail_oom(err);
    skip_below(walk, walk->last, walk->last_len);
    return MR_OK;
}

static enum mr_status make_token(const struct walk *walk, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf token = MR_BUF_INIT(4096);
    MR_TRY(mr_buf_appendf(&token, err, "%c%.*s", walk->last_kind, (int)walk->last_len, walk->last));
    return mr_base64_encode(token.data, token.len, ret, err);
}

enum mr_status em_listing_make(const struct em_index *index, const struct em_list_query *query,
                               struct em_listing *ret, struct mr_err *err)
{
    struct walk walk = {.index = index, .query = query, .prefix = query->prefix ? query->prefix : ""};
    start_at_least(&walk, walk.prefix);
    start_at_least(&walk, query->start_offset);
    if (query->page_token)
        MR_TRY(start_after_token(&walk, err));
    ret->items = calloc(query->max_results, sizeof(struct em_stored *));
    if (!ret->items)
        return mr_fail_oom(err);
    for (size_t taken = 0; taken < query->max_results && in_reach(&walk); taken++)
        MR_TRY(take(&walk, ret, err));
    if (walk.last_kind && in_reach(&walk))
        return make_token(&walk, &ret->next_page_token, err);
    return MR_OK;
}
