#include "shared/data/secret_token.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"

#include <openssl/sha.h>

enum { TOKEN_BYTES = 32 };

enum mr_status mr_secret_token_make(char ret[MR_SECRET_TOKEN_MAX], struct mr_err *err)
{
    unsigned char random[TOKEN_BYTES];
    MR_AUTO_STR char *text = NULL;
    MR_TRY(mr_random_bytes(random, sizeof random, err));
    MR_TRY(mr_base64_encode(random, sizeof random, &text, err));
    for (char *p = text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    snprintf(ret, MR_SECRET_TOKEN_MAX, "%.*s", (int)strcspn(text, "="), text);
    return MR_OK;
}

void mr_secret_token_hash(const char *token, char out[MR_SECRET_HASH_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token, strlen(token), digest);
    mr_hex_encode(digest, sizeof digest, out);
}
