/*
 * JSON Web Tokens. Whatever is accepted must carry the HMAC of its own bytes, computed here by OpenSSL alone. A token
 * that begins with '!' has its signature replaced by the right one, so that the fuzzer gets past it.
 */
#include "tests/fuzz/fuzz.h"

#include "shared/base/encoding.h"
#include "shared/base/jwt.h"

#include <openssl/hmac.h>
#include <string.h>

static const char secret[] = "a secret of the fuzzer, 32 bytes";

static char *signature_of(const char *token, size_t signed_len)
{
    unsigned char mac[32];
    unsigned int mac_len = 0;
    MR_HOLDS(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)token, signed_len, mac,
                  &mac_len));
    char *text = NULL;
    MR_HOLDS(mr_base64_encode(mac, mac_len, &text, NULL) == MR_OK);
    text[strcspn(text, "=")] = '\0';
    for (char *p = text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    return text;
}

static char *sign(const char *token)
{
    const char *dot = strrchr(token, '.');
    size_t signed_len = dot ? (size_t)(dot - token) : strlen(token);
    MR_AUTO_STR char *signature = signature_of(token, signed_len);
    char *text = NULL;
    if (asprintf(&text, "%.*s.%s", (int)signed_len, token, signature) < 0)
        abort();
    return text;
}

static enum mr_status no_key(void *ctx, const char *key_id, char **ret_public_key, struct mr_err *err)
{
    (void)ctx;
    *ret_public_key = NULL;
    MR_HOLDS(key_id);
    return mr_fail(err, MR_NOT_FOUND, "key is unknown");
}

static void check(enum mr_status status, json_t *claims, const struct mr_err *err)
{
    if (status != MR_OK)
        mr_fuzz_check_failure(status, err);
    else
        MR_HOLDS(json_is_object(claims) && json_is_integer(json_object_get(claims, "exp")));
    json_decref(claims);
}

void mr_fuzz_jwt(const uint8_t *data, size_t len)
{
    MR_AUTO_STR char *given = mr_fuzz_text(data, len);
    MR_AUTO_STR char *token = *given == '!' ? sign(given + 1) : strdup(given);
    json_t *claims = NULL;
    struct mr_err err = {0};
    enum mr_status status = mr_jwt_verify_hs256(secret, token, &claims, &err);
    if (status == MR_OK) {
        const char *dot = strrchr(token, '.');
        MR_HOLDS(dot);
        MR_AUTO_STR char *right = signature_of(token, (size_t)(dot - token));
        MR_HOLDS(strncmp(dot + 1, right, strlen(right)) == 0);
    }
    check(status, claims, &err);
    claims = NULL;
    status = mr_jwt_verify_rs256(token, no_key, NULL, &claims, &err);
    MR_HOLDS(status != MR_OK);
    check(status, claims, &err);
    claims = NULL;
    status = mr_jwt_read_unverified(token, &claims, &err);
    check(status, claims, &err);
}
