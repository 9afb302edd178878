/* shared/http/guard and client_url: which addresses are public, which URLs pass, what the allow list takes.
 */
#include "shared/http/client_url.h"
#include "shared/http/guard.h"
#include "shared/http/public_address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/un.h>

#include <cmocka.h>

static struct mr_guard *guard_of(const char *hosts)
{
    struct mr_guard *guard = NULL;
    struct mr_err err = {0};
    if (mr_guard_new(hosts, &guard, &err) != MR_OK)
        fail_msg("%s: %s", hosts, err.message);
    return guard;
}

static bool text_is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return mr_address_is_public((const struct sockaddr *)&v4, sizeof v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return mr_address_is_public((const struct sockaddr *)&v6, sizeof v6);
}

/* Both ends of each block, and the neighbours outside. */
static void tells_public_addresses(void **state)
{
    (void)state;
    static const char *const open[] = {
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2001:200::",
        "2001:4860:4860::8888",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2600::1",
        "3ffe::",
        "3fff:1000::",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    };
    static const char *const closed[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.254",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "64:ff9b:1::808:808",
        "64:ff9b:0:0:1::808:808",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:808:808::1",
        "2001:1::1",
        "2001:20::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff:ffff::",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (!text_is_public(open[i]))
            fail_msg("%s is public", open[i]);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (text_is_public(closed[i]))
            fail_msg("%s is not public", closed[i]);
}

static void refuses_other_families_and_short_addresses(void **state)
{
    (void)state;
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    assert_false(mr_address_is_public((const struct sockaddr *)&path, sizeof path));
    assert_false(mr_address_is_public((const struct sockaddr *)&v4, sizeof v4 - 1));
    assert_false(mr_address_is_public((const struct sockaddr *)&v6, sizeof v6));
    assert_true(mr_address_is_public((const struct sockaddr *)&v4, sizeof v4));
}

static void checks_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        unsigned flags;
        const char *code; /* NULL: passes */
    } cases[] = {
        {"http://example.com/a.mp3", 0, NULL},
        {"https://example.com:8443/a.mp3?x=1#y", 0, NULL},
        {"HTTPS://EXAMPLE.COM", 0, NULL},
        {"http://ex%61mple.com/", 0, NULL},
        {"http://8.8.8.8/", 0, NULL},
        {"http://[2001:4860:4860::8888]:80/", 0, NULL},
        {"http://example.com/@127.0.0.1", 0, NULL},
        {"http://example.com/?u=http://u:p@127.0.0.1/", 0, NULL},
        {"http://localhost/", 0, NULL}, /* a name: the connection decides */
        {"", 0, "url_scheme"},
        {"example.com/a.mp3", 0, "url_scheme"},
        {"//example.com/a.mp3", 0, "url_scheme"},
        {"/a.mp3", 0, "url_scheme"},
        {"ftp://example.com/a.mp3", 0, "url_scheme"},
        {"file:///etc/passwd", 0, "url_scheme"},
        {"gopher://127.0.0.1:25/_HELO", 0, "url_scheme"},
        {"dict://127.0.0.1:11211/stat", 0, "url_scheme"},
        {"javascript:alert(1)", 0, "url_scheme"},
        {"data:audio/mpeg;base64,SUQz", 0, "url_scheme"},
        {"httpx://example.com/", 0, "url_scheme"},
        {"http:example.com", 0, "url_scheme"},
        {"http:/example.com", 0, "url_scheme"},
        {"http://", 0, "url_malformed"},
        {"http://:80/", 0, "url_malformed"},
        {"http:////example.com/", 0, "url_malformed"},
        {"http://example.com:0/", 0, "url_malformed"},
        {"http://example.com:65536/", 0, "url_malformed"},
        {"http://example.com:80:80/", 0, "url_malformed"},
        {"http://exa mple.com/", 0, "url_malformed"},
        {"http://b\xc3\xbchler.example/", 0, "url_malformed"},
        {"http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/", 0, "url_malformed"},
        {"http://xn--bcher-kva.example/caf\xc3\xa9", 0, NULL},
        {"http://example.com/a b", 0, "url_malformed"},
        {"http://example.com/\r\nX-Injected: 1", 0, "url_malformed"},
        {"http://example.com/\x7f", 0, "url_malformed"},
        {" http://example.com/", 0, "url_malformed"},
        {"http://example.com\\@127.0.0.1/", 0, "url_credentials"},
        {"http://example.com\\.evil/", 0, "url_malformed"},
        {"http://127.0.0.1%00.example.com/", 0, "url_malformed"},
        {"http://[::1/", 0, "url_malformed"},
        {"http://[v1.x]/", 0, "url_malformed"},
        {"http://user@example.com/", 0, "url_credentials"},
        {"http://user:pass@example.com/", 0, "url_credentials"},
        {"http://:@example.com/", 0, "url_credentials"},
        {"http://@example.com/", 0, "url_credentials"},
        {"http://example.com@127.0.0.1/", 0, "url_credentials"},
        {"http://example.com%40127.0.0.1/", 0, "url_malformed"},
        {"http://example.com/", MR_GUARD_HTTPS_ONLY, "url_scheme"},
        {"https://example.com/", MR_GUARD_HTTPS_ONLY, NULL},
        {"https://127.0.0.1/", MR_GUARD_HTTPS_ONLY, "address_refused"},
    };
    struct mr_guard *guard = guard_of("");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        enum mr_status status = mr_guard_check_url(guard, cases[i].url, cases[i].flags, &err);
        if (status != (cases[i].code ? MR_INVALID : MR_OK) ||
            (cases[i].code && strcmp(mr_code_name(err.code), cases[i].code) != 0))
            fail_msg("%s: %s (%s)", cases[i].url, mr_code_name(err.code), err.message);
    }
    mr_guard_free(guard);
}

/* Every spelling of an inside address is refused by its form, before anything is resolved. */
static void refuses_inside_addresses_in_any_spelling(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7F.1",
        "0x7f000001.",
        "0177.0.0.1",
        "0177.1",
        "0x7f.0x0.0x0.0x1",
        "00000177.0.0.1",
        "%31%32%37.0.0.1",
        "127.0.0.%31",
        "0",
        "0.0.0.0",
        "0x0",
        "10.0.0.1",
        "10.1",
        "167772161",
        "100.64.0.1",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "172.16.0.1",
        "192.168.0.1",
        "192.168.257",
        "224.0.0.1",
        "255.255.255.255",
        "4294967295",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:7F00:1]",
        "[0:0:0:0:0:ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[2001:4860:4860::8888%25lo]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    };
    struct mr_guard *guard = guard_of("example.com");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char url[128];
        snprintf(url, sizeof url, "http://%s:8080/", hosts[i]);
        struct mr_err err = {0};
        if (mr_guard_check_url(guard, url, 0, &err) != MR_INVALID ||
            strcmp(mr_code_name(err.code), "address_refused") != 0)
            fail_msg("%s: %s (%s)", url, mr_code_name(err.code), err.message);
        assert_null(strstr(err.message, "127"));
    }
    mr_guard_free(guard);
}

static void bounds_the_length(void **state)
{
    (void)state;
    struct mr_guard *guard = guard_of("");
    struct mr_err err = {0};
    char url[MR_URL_MAX + 2];
    memset(url, 'a', sizeof url);
    memcpy(url, "http://h/", 9);
    url[MR_URL_MAX] = '\0';
    assert_int_equal(mr_guard_check_url(guard, url, 0, &err), MR_OK);
    url[MR_URL_MAX] = 'a';
    url[MR_URL_MAX + 1] = '\0';
    assert_int_equal(mr_guard_check_url(guard, url, 0, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "url_malformed");
    url[7 + MR_URL_HOST_MAX] = '\0'; /* a host that fills its room */
    memset(url + 7, 'h', MR_URL_HOST_MAX);
    assert_int_equal(mr_guard_check_url(guard, url, 0, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "url_malformed");
    mr_guard_free(guard);
}

static void resolves_references(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference, *expected; /* NULL: malformed */
    } cases[] = {
        {"http://h/a/b?q", "c", "http://h/a/c"},
        {"http://h/a/b?q", "/c?d", "http://h/c?d"},
        {"http://h/a/b", "../../../c", "http://h/c"},
        {"http://h/a/b", "?x", "http://h/a/b?x"},
        {"http://h:81/a", "//other/c", "http://other/c"},
        {"https://h/a", "//other/c", "https://other/c"},
        {"http://h/a", "https://o/x", "https://o/x"},
        {"http://h/a", "ftp://o/x", "ftp://o/x"},
        {"http://h/a", "file:///etc/passwd", "file:///etc/passwd"},
        {"http://h/a", "/my song.mp3", "http://h/my%20song.mp3"},
        {"http://h/a", "/caf\xc3\xa9", "http://h/caf%c3%a9"},
        {"http://h/a", "/c#fragment", "http://h/c"},
        {"http://h/a", "", NULL},
        {"http://h/a", "http://[::1", NULL},
        {"http://h/a", "/c\x01", NULL},
        {"http://h/a", "http://u:p@o/", "http://u:p@o/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *url = NULL;
        struct mr_err err = {0};
        enum mr_status status = mr_url_resolve(cases[i].base, cases[i].reference, &url, &err);
        assert_int_equal(status, cases[i].expected ? MR_OK : MR_INVALID);
        if (cases[i].expected)
            assert_string_equal(url, cases[i].expected);
    }
}

static void reads_the_allow_list(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *url;
        bool allowed;
    } cases[] = {
        {"127.0.0.1", "http://127.0.0.1/", true},
        {"127.0.0.1", "http://127.0.0.1:81/", true},
        {"127.0.0.1:81", "http://127.0.0.1:81/", true},
        {"127.0.0.1:81", "http://127.1:81/", true},
        {"127.0.0.1:81", "http://127.0.0.1:82/", false},
        {"127.0.0.1:81", "http://127.0.0.1/", false},
        {"127.0.0.1:80", "http://127.0.0.1/", true},
        {"127.0.0.1:443", "https://127.0.0.1/", true},
        {"127.0.0.1", "http://127.0.0.2/", false},
        {"127.0.0.1", "http://u@127.0.0.1/", false},
        {"127.0.0.1", "ftp://127.0.0.1/", false},
        {"[::1]", "http://[::1]/", true},
        {"[::1]:81", "http://[0:0:0:0:0:0:0:1]:81/", true},
        {"[::1]:81", "http://[::1]:82/", false},
        {"[fe80::1]", "http://[fe80::1%25lo]/", false},
        {" a.example , 10.0.0.1:9 ", "http://10.0.0.1:9/", true},
        {"a.example,10.0.0.1:9", "http://10.0.0.1/", false},
        {"127.0.0.10", "http://127.0.0.1/", false},
        {"", "http://127.0.0.1/", false},
        {"  ", "http://127.0.0.1/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_guard *guard = guard_of(cases[i].list);
        struct mr_err err = {0};
        bool allowed = mr_guard_check_url(guard, cases[i].url, 0, &err) == MR_OK;
        if (allowed != cases[i].allowed)
            fail_msg("%s of %s: %s", cases[i].url, cases[i].list, err.message);
        mr_guard_free(guard);
    }
    struct mr_guard *guard = guard_of("Hooks.Example.:8080,[::1]");
    struct mr_err err = {0};
    assert_true(mr_guard_names_host(guard, "hooks.example", 8080));
    assert_false(mr_guard_names_host(guard, "hooks.example", 80));
    assert_true(mr_guard_names_host(guard, "::1", 1));
    /* http is for hosts of the list. */
    assert_int_equal(mr_guard_check_url(guard, "http://HOOKS.example:8080/x", MR_GUARD_HTTPS_ONLY, &err),
                     MR_OK);
    assert_int_equal(mr_guard_check_url(guard, "http://hooks.example/x", MR_GUARD_HTTPS_ONLY, &err),
                     MR_INVALID);
    mr_guard_free(guard);
}

static void refuses_bad_allow_lists(void **state)
{
    (void)state;
    static const char *const lists[] = {
        ",",
        "a,",
        ",a",
        "a,,b",
        "http://a",
        "a/b",
        "a:",
        "a:x",
        "a:0",
        "a:70000",
        ":80",
        "[::1",
        "[::1]:",
        "::1",
        "a b",
        "u@a",
        "[fe80::1%25lo]",
        "a:80:80",
        "a?",
        "a#",
        "a\\b",
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct mr_guard *guard = NULL;
        struct mr_err err = {0};
        if (mr_guard_new(lists[i], &guard, &err) != MR_INVALID)
            fail_msg("\"%s\" is taken", lists[i]);
        assert_null(guard);
    }
    struct mr_guard *guard = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_guard_new("good.example,bad/entry", &guard, &err), MR_INVALID);
    assert_non_null(strstr(err.message, "\"bad/entry\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_public_addresses),
        cmocka_unit_test(refuses_other_families_and_short_addresses),
        cmocka_unit_test(checks_urls),
        cmocka_unit_test(refuses_inside_addresses_in_any_spelling),
        cmocka_unit_test(bounds_the_length),
        cmocka_unit_test(resolves_references),
        cmocka_unit_test(reads_the_allow_list),
        cmocka_unit_test(refuses_bad_allow_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
