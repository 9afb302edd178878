/* The parser of filters: recursive descent. The limit on the text bounds its depth. */
#include "infra/local/emulator/pubsub/filter_internal.h"

#include <ctype.h>

enum { FILTER_MAX = 256 };

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

/* Consumes a symbol, or a whole word (AND, OR, NOT …), if it comes next. */
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
    MR_TRY(parse_key(p, &node->key));
    if (!accept(p, ","))
        return syntax_error(p, "','");
    MR_TRY(parse_string(p, &node->value));
    return accept(p, ")") ? MR_OK : syntax_error(p, "')'");
}

static enum mr_status parse_parentheses(struct parser *p, struct em_filter **ret)
{
    MR_AUTO(em_filter) struct em_filter *inner = NULL;
    MR_TRY(parse_expression(p, &inner));
    if (!accept(p, ")"))
        return syntax_error(p, "')'");
    *ret = MR_TAKE(inner);
    return MR_OK;
}

static enum mr_status parse_term(struct parser *p, struct em_filter **ret);

/* Fills node with one term that is not in parentheses. */
static enum mr_status parse_node(struct parser *p, struct em_filter *node)
{
    if (accept(p, "NOT") || accept(p, "-")) {
        node->kind = NODE_NOT;
        return parse_term(p, &node->left);
    }
    if (accept(p, "hasPrefix"))
        return parse_prefix(p, node);
    if (accept(p, "attributes"))
        return parse_comparison(p, node);
    return syntax_error(p, "attributes, hasPrefix, NOT or '('");
}

static enum mr_status parse_term(struct parser *p, struct em_filter **ret)
{
    if (accept(p, "("))
        return parse_parentheses(p, ret);
    MR_AUTO(em_filter) struct em_filter *node = calloc(1, sizeof *node);
    if (!node)
        return mr_fail_oom(p->err);
    MR_TRY(parse_node(p, node));
    *ret = MR_TAKE(node);
    return MR_OK;
}

static enum mr_status parse_expression(struct parser *p, struct em_filter **ret)
{
    MR_AUTO(em_filter) struct em_filter *left = NULL;
    MR_TRY(parse_term(p, &left));
    const char *joined_by = NULL;
    for (;;) {
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
        MR_TRY(parse_term(p, &node->right));
    }
    *ret = MR_TAKE(left);
    return MR_OK;
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
    MR_TRY(parse_expression(&p, &filter));
    skip_blanks(&p);
    if (*p.at != '\0')
        return syntax_error(&p, "AND, OR or the end");
    *ret = MR_TAKE(filter);
    return MR_OK;
}
