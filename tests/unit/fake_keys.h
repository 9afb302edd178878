/* A fresh RSA key for tests: as PKCS#8, as public key and as self-signed certificate, all PEM. */
#ifndef MR_TESTS_FAKE_KEYS_H
#define MR_TESTS_FAKE_KEYS_H

struct fake_key {
    char *private_pem, *public_pem, *certificate_pem;
};

struct fake_key fake_key_new(void);
void fake_key_free(struct fake_key *key);

#endif
