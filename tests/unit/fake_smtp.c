#include "tests/unit/fake_smtp.h"

#include "shared/base/buf.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { LINE_BYTES = 2000, SAID_MAX = 1 << 20 };

struct fake_smtp {
    pthread_t thread;
    int listener, stop;
    bool implicit;
    char url[64], ca_file[64];
    SSL_CTX *good, *other;
    pthread_mutex_t lock; /* protects all below */
    struct fake_smtp_script script;
    struct mr_buf said;
};

static X509 *certificate_for(EVP_PKEY *key, const char *names)
{
    X509 *made = X509_new();
    assert_non_null(made);
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -60);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    X509_NAME *name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"relay", -1, -1, 0);
    X509_set_issuer_name(made, name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    X509_add_ext(made, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(made, key, EVP_sha256()) > 0);
    return made;
}

/* A server's context; its certificate goes into the file as well. */
static SSL_CTX *context_for(const char *names, const char *file, const char *mode)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = certificate_for(key, names);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    FILE *out = fopen(file, mode);
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, certificate), 1);
    fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

struct talk {
    struct fake_smtp *fake;
    struct fake_smtp_script script;
    int fd;
    SSL *ssl;
    bool in_mail, in_login;
};

static void note(struct fake_smtp *fake, const char *line)
{
    pthread_mutex_lock(&fake->lock);
    enum mr_status status = mr_buf_appendf(&fake->said, NULL, "%s\n", line);
    pthread_mutex_unlock(&fake->lock);
    assert_int_equal(status, MR_OK);
}

/* Waits until there is something to read; false when the test ends. */
static bool readable(const struct talk *talk)
{
    if (talk->ssl && SSL_pending(talk->ssl) > 0)
        return true;
    struct pollfd fds[] = {{.fd = talk->fd, .events = POLLIN}, {.fd = talk->fake->stop, .events = POLLIN}};
    poll(fds, 2, -1);
    return !fds[1].revents;
}

static bool read_line(struct talk *talk, char line[LINE_BYTES])
{
    size_t len = 0;
    while (len + 1 < LINE_BYTES) {
        char c;
        if (!readable(talk) || (talk->ssl ? SSL_read(talk->ssl, &c, 1) : (int)recv(talk->fd, &c, 1, 0)) != 1)
            return false;
        if (c == '\n')
            break;
        line[len++] = c;
    }
    line[len] = '\0';
    if (len && line[len - 1] == '\r')
        line[len - 1] = '\0';
    return true;
}

/* False when the connection is to be closed. */
static bool answer(struct talk *talk, const char *scripted, const char *usual)
{
    char line[LINE_BYTES];
    const char *text = scripted ? scripted : usual;
    if (strcmp(text, FAKE_SMTP_HANG_UP) == 0)
        return false;
    if (strcmp(text, FAKE_SMTP_SILENT) == 0)
        return true;
    int len = snprintf(line, sizeof line, "%s\r\n", text);
    return talk->ssl ? SSL_write(talk->ssl, line, len) == len
                     : send(talk->fd, line, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool begin_tls(struct talk *talk)
{
    talk->ssl = SSL_new(talk->script.other_name ? talk->fake->other : talk->fake->good);
    SSL_set_fd(talk->ssl, talk->fd);
    if (SSL_accept(talk->ssl) != 1)
        return false;
    note(talk->fake, "(tls)");
    return true;
}

static bool on_mail_line(struct talk *talk, const char *line)
{
    if (strcmp(line, ".") != 0)
        return true;
    talk->in_mail = false;
    return answer(talk, talk->script.end, "250 taken");
}

static bool on_command(struct talk *talk, const char *line)
{
    const struct fake_smtp_script *script = &talk->script;
    if (strncmp(line, "EHLO", 4) == 0)
        return answer(talk, script->ehlo,
                      talk->ssl || script->no_starttls ? "250-relay\r\n250 AUTH PLAIN LOGIN"
                                                       : "250-relay\r\n250 STARTTLS");
    if (strcmp(line, "STARTTLS") == 0)
        return answer(talk, script->starttls, "220 go on") && (script->starttls || begin_tls(talk));
    if (strncmp(line, "AUTH", 4) == 0) {
        talk->in_login = !strchr(line + 5, ' ');
        return talk->in_login ? answer(talk, NULL, "334 ") : answer(talk, script->auth, "235 welcome");
    }
    if (strncmp(line, "MAIL", 4) == 0)
        return answer(talk, script->mail, "250 yes");
    if (strncmp(line, "RCPT", 4) == 0)
        return answer(talk, script->rcpt, "250 yes");
    if (strcmp(line, "DATA") == 0) {
        talk->in_mail = !script->data;
        return answer(talk, script->data, "354 go on");
    }
    if (strcmp(line, "QUIT") == 0)
        return answer(talk, script->quit, "221 bye");
    return answer(talk, NULL, "500 what?");
}

static bool on_line(struct talk *talk, const char *line)
{
    note(talk->fake, line);
    if (talk->in_mail)
        return on_mail_line(talk, line);
    if (talk->in_login) {
        talk->in_login = false;
        return answer(talk, talk->script.auth, "235 welcome");
    }
    return on_command(talk, line);
}

static void serve(struct fake_smtp *fake, int fd)
{
    struct talk talk = {.fake = fake, .fd = fd};
    char line[LINE_BYTES];
    pthread_mutex_lock(&fake->lock);
    talk.script = fake->script;
    pthread_mutex_unlock(&fake->lock);
    bool good = (!fake->implicit || begin_tls(&talk)) && answer(&talk, talk.script.greeting, "220 relay");
    while (good && read_line(&talk, line))
        good = on_line(&talk, line);
    SSL_free(talk.ssl);
    close(fd);
    ERR_clear_error();
}

static void *run(void *ctx)
{
    struct fake_smtp *fake = ctx;
    for (;;) {
        struct pollfd fds[] = {{.fd = fake->stop, .events = POLLIN},
                               {.fd = fake->listener, .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[0].revents)
            return NULL;
        serve(fake, accept(fake->listener, NULL, NULL));
    }
}

struct fake_smtp *fake_smtp_start(bool implicit)
{
    struct fake_smtp *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    fake->implicit = implicit;
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(fake->listener, 8), 0);
    int port = ntohs(address.sin_port);
    snprintf(fake->url, sizeof fake->url, "%s://127.0.0.1:%d", implicit ? "smtps" : "smtp", port);
    snprintf(fake->ca_file, sizeof fake->ca_file, "smtp-%d.pem", port);
    fake->good = context_for("IP:127.0.0.1", fake->ca_file, "w");
    fake->other = context_for("DNS:other.example", fake->ca_file, "a");
    fake->stop = eventfd(0, EFD_CLOEXEC);
    fake->said = MR_BUF_INIT(SAID_MAX);
    pthread_mutex_init(&fake->lock, NULL);
    assert_int_equal(pthread_create(&fake->thread, NULL, run, fake), 0);
    return fake;
}

void fake_smtp_stop(struct fake_smtp *fake)
{
    if (!fake)
        return;
    eventfd_write(fake->stop, 1);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    close(fake->stop);
    SSL_CTX_free(fake->good);
    SSL_CTX_free(fake->other);
    mr_buf_free(&fake->said);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const char *fake_smtp_url(const struct fake_smtp *fake)
{
    return fake->url;
}

const char *fake_smtp_ca_file(const struct fake_smtp *fake)
{
    return fake->ca_file;
}

void fake_smtp_script(struct fake_smtp *fake, const struct fake_smtp_script *script)
{
    pthread_mutex_lock(&fake->lock);
    fake->script = *script;
    mr_buf_clear(&fake->said);
    pthread_mutex_unlock(&fake->lock);
}

char *fake_smtp_said(struct fake_smtp *fake)
{
    pthread_mutex_lock(&fake->lock);
    char *said = strdup(mr_buf_str(&fake->said));
    pthread_mutex_unlock(&fake->lock);
    return said;
}
