#include "infra/local/emulator/pubsub/filter.h"

#include <ctype.h>

enum { FILTER_MAX = 256 };

enum node_kind { NODE_HAS, NODE_EQUAL, NODE_NOT_EQUAL, NODE_PREFIX, NODE_NOT, NODE_AND, NODE_OR };

struct em_filter {
    enum node_kind kind;
    char *key;
    char *value;
    struct em_filter *left; /* of NOT, AND, OR */
    struct em_filter *right;
};

void em_filter_free(struct em_filter *filter)
{
    if (!filter)
        return;
    em_filter_free(filter->left);
    em_filter_free(filter->right);
    free(filter->key);
    free(filter->value);
    free(filter);
}

bool em_filter_matches(const struct em_filter *filter, const json_t *attributes)
{
    if (!filter)
        return true;
    const char *value = filter->key ? json_string_value(json_object_get(attributes, filter->key)) : NULL;
    switch (filter->kind) {
    case NODE_HAS:
        return value != NULL;
    case NODE_EQUAL:
        return value && strcmp(value, filter->value) == 0;
    case NODE_NOT_EQUAL:
        return !value || strcmp(value, filter->value) != 0;
    case NODE_PREFIX:
        return value && strncmp(value, filter->value, strlen(filter->value)) == 0;
    case NODE_NOT:
        return !em_filter_matches(filter->left, attributes);
    case NODE_AND:
        return em_filter_matches(filter->left, attributes) && em_filter_matches(filter->right, attributes);
    case NODE_OR:
        return em_filter_matches(filter->left, attributes) || em_filter_matches(filter->right, attributes);
    }
    return false;
}

/* ---- the parser: recursive descent; the cap on the text bounds its depth ---- */

struct parser {
    const char *text;
    const char *at;
    struct mr_err *err;
};

static enum mr_status parse_expression(struct parser *p, struct em_filter **ret);

static enum mr_status syntax_error(struct parser *p, const char *expected)
{
    return mr_fail(p->err, MR_INVALID, "Invalid filter at position %zu: expected %s.",
                   (size_t)(p->at - p->text), expected);
}

static void skip_blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Takes a symbol, or a whole word in any case as the language has it (AND, OR, NOT). */
static bool accept(struct parser *p, const char *token)
{
    skip_blanks(p);
    size_t len = strlen(token);
    if (strncmp(p->at, token, len) != 0 || (is_word(token[0]) && is_word(p->at[len])))
        return false;
    p->at += len;
    return true;
}

/* A quoted string with \" and \\ as its escapes. */
static enum mr_status parse_string(struct parser *p, char **ret)
{
    skip_blanks(p);
    if (*p->at != '"')
        return syntax_error(p, "a string in double quotes");
    char *out = malloc(FILTER_MAX + 1);
    if (!out)
        return mr_fail_oom(p->err);
    size_t len = 0;
    for (p->at++; *p->at && *p->at != '"'; p->at++) {
        if (*p->at == '\\' && p->at[1] != '\0')
            p->at++;
        out[len++] = *p->at;
    }
    out[len] = '\0';
    if (*p->at != '"') {
        free(out);
        return syntax_error(p, "a closing quote");
    }
    p->at++;
    *ret = out;
    return MR_OK;
}

static enum mr_status parse_key(struct parser *p, char **ret)
{
    skip_blanks(p);
    if (*p->at == '"')
        return parse_string(p, ret);
    const char *start = p->at;
    while (is_word(*p->at) || *p->at == '-')
        p->at++;
    if (p->at == start)
        return syntax_error(p, "an attribute's key");
    *ret = strndup(start, (size_t)(p->at - start));
    return *ret ? MR_OK : mr_fail_oom(p->err);
}

/* attributes:k, attributes.k = "v", attributes.k != "v" */
static enum mr_status parse_comparison(struct parser *p, struct em_filter *node)
{
    if (accept(p, ":")) {
        node->kind = NODE_HAS;
        return parse_key(p, &node->key);
    }
    if (!accept(p, "."))
        return syntax_error(p, "':' or '.' after attributes");
    MR_TRY(parse_key(p, &node->key));
    if (accept(p, "!="))
        node->kind = NODE_NOT_EQUAL;
    else if (accept(p, "="))
        node->kind = NODE_EQUAL;
    else
        return syntax_error(p, "'=' or '!='");
    return parse_string(p, &node->value);
}

/* hasPrefix(attributes.k, "v") */
static enum mr_status parse_prefix(struct parser *p, struct em_filter *node)
{
    node->kind = NODE_PREFIX;
    if (!accept(p, "(") || !accept(p, "attributes") || !accept(p, "."))
        return syntax_error(p, "(attributes.key, \"prefix\")");
    enum mr_status status = parse_key(p, &node->key);
    if (!status && !accept(p, ","))
        status = syntax_error(p, "','");
    if (!status)
        status = parse_string(p, &node->value);
    if (!status && !accept(p, ")"))
        status = syntax_error(p, "')'");
    return status;
}

static enum mr_status parse_term(struct parser *p, struct em_filter **ret)
{
    if (accept(p, "(")) {
        MR_AUTO(em_filter) struct em_filter *inner = NULL;
        enum mr_status status = parse_expression(p, &inner);
        if (!status && !accept(p, ")"))
            status = syntax_error(p, "')'");
        if (!status)
            *ret = MR_TAKE(inner);
        return status;
    }
    MR_AUTO(em_filter) struct em_filter *node = calloc(1, sizeof *node);
    if (!node)
        return mr_fail_oom(p->err);
    enum mr_status status = MR_OK;
    if (accept(p, "NOT") || accept(p, "-")) {
        node->kind = NODE_NOT;
        status = parse_term(p, &node->left);
    } else if (accept(p, "hasPrefix")) {
        status = parse_prefix(p, node);
    } else if (accept(p, "attributes")) {
        status = parse_comparison(p, node);
    } else {
        status = syntax_error(p, "attributes, hasPrefix, NOT or '('");
    }
    if (!status)
        *ret = MR_TAKE(node);
    return status;
}

static enum mr_status parse_expression(struct parser *p, struct em_filter **ret)
{
    MR_AUTO(em_filter) struct em_filter *left = NULL;
    enum mr_status status = parse_term(p, &left);
    const char *joined_by = NULL;
    while (!status) {
        const char *word = accept(p, "AND") ? "AND" : accept(p, "OR") ? "OR" : NULL;
        if (!word)
            break;
        if (joined_by && strcmp(joined_by, word) != 0)
            return syntax_error(p, "parentheses around mixed AND and OR");
        joined_by = word;
        struct em_filter *node = calloc(1, sizeof *node);
        if (!node)
            return mr_fail_oom(p->err);
        node->kind = word[0] == 'A' ? NODE_AND : NODE_OR;
        node->left = left;
        left = node;
        status = parse_term(p, &node->right);
    }
    if (!status)
        *ret = MR_TAKE(left);
    return status;
}

enum mr_status em_filter_compile(const char *text, struct em_filter **ret, struct mr_err *err)
{
    if (strlen(text) > FILTER_MAX)
        return mr_fail(err, MR_INVALID, "A filter has at most %d bytes.", FILTER_MAX);
    struct parser p = {.text = text, .at = text, .err = err};
    skip_blanks(&p);
    if (*p.at == '\0') {
        *ret = NULL;
        return MR_OK;
    }
    MR_AUTO(em_filter) struct em_filter *filter = NULL;
    enum mr_status status = parse_expression(&p, &filter);
    skip_blanks(&p);
    if (!status && *p.at != '\0')
        status = syntax_error(&p, "AND, OR or the end");
    if (!status)
        *ret = MR_TAKE(filter);
    return status;
}
