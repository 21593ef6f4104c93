/* SPDX-License-Identifier: Apache-2.0 */
/* ticket_keys.c -- see ticket_keys.h. */
#include "tls/ticket_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tls/compat.h"

enum {
    NAME = 8,
    NONCE = 12,
    TAG = 16,
    SECRET = SL_SEALING_KEY_SIZE,
    KEYS = 2,
    LINE_SIZE = 160,
    WHY_SIZE = 96
};
_Static_assert(NAME + NONCE + TAG == SL_SEAL_SIZE, "what sealing adds");

static const char first_line[] = "sensorlink ticket keys 1\n";

struct key {
    int64_t made_us; /* 0: there is none */
    uint8_t name[NAME];
    uint8_t secret[SECRET];
};

struct sl_ticket_keys {
    pthread_mutex_t lock; /* over `at` */
    struct key at[KEYS];  /* the newest first */
    int64_t max_age_us;
    const char *path; /* null: in memory only */
    struct sl_random *random;
};

SL_PRINTF(4, 5)
static enum sl_status fail(enum sl_status status, char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return status;
}

/* --- the file: a first line, then "<made> <name> <secret>" in decimal and hex, the newest first */

/* Reads 2 * len hex digits; null where they aren't there, else what comes after them. */
static const char *parse_hex(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++, text += 2) {
        int high = sl_hex_digit(text[0]);
        int low = high < 0 ? -1 : sl_hex_digit(text[1]);

        if (low < 0)
            return NULL;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text;
}

static bool parse_key(const char *line, struct key *key)
{
    char *number_end;
    const char *at;

    key->made_us = strtoll(line, &number_end, 10);
    if (key->made_us <= 0 || key->made_us == INT64_MAX || *number_end != ' ')
        return false;
    at = parse_hex(number_end + 1, key->name, NAME);
    if (at == NULL || *at != ' ')
        return false;
    at = parse_hex(at + 1, key->secret, SECRET);
    return at != NULL && *at == '\n';
}

static bool parse_file(FILE *file, struct key *keys)
{
    char line[LINE_SIZE];
    bool good = fgets(line, sizeof line, file) != NULL && strcmp(line, first_line) == 0;

    for (size_t i = 0; good && i < KEYS && fgets(line, sizeof line, file) != NULL; i++)
        good = parse_key(line, &keys[i]);
    mbedtls_platform_zeroize(line, sizeof line);
    return good;
}

/* Whoever made or can read the file could come in as any sensor: no privilege makes up for that. */
static bool is_secret(const char *path, const struct stat *info, char *error, size_t size)
{
    bool closed = S_ISREG(info->st_mode) && (info->st_mode & (S_IRWXG | S_IRWXO)) == 0;
    bool own = info->st_uid == geteuid() || info->st_uid == 0;

    if (!closed)
        (void)fail(SL_BAD_INPUT, error, size,
                   "--ticket-keys %s can be read by others (mode %03o): remove it, for its keys "
                   "may be known, and a new one is made",
                   path, (unsigned)(info->st_mode & 0777));
    else if (!own)
        (void)fail(SL_BAD_INPUT, error, size,
                   "--ticket-keys %s belongs to another user (%ld): remove it, for its keys may "
                   "be known, and a new one is made",
                   path, (long)info->st_uid);
    return closed && own;
}

/* As with private keys: what others can read is no secret. A file that isn't there is no fault. */
static enum sl_status load(struct sl_ticket_keys *keys, char *error, size_t size)
{
    struct stat info = {0};
    char why[WHY_SIZE];
    int fd = open(keys->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    FILE *file;
    bool good;

    if (fd < 0 && errno == ENOENT)
        return SL_OK;
    if (fd < 0 || fstat(fd, &info) != 0 || (file = fdopen(fd, "r")) == NULL) {
        int code = errno;

        if (fd >= 0)
            (void)close(fd);
        return fail(SL_IO, error, size, "--ticket-keys %s can't be read: %s", keys->path,
                    strerror_r(code, why, sizeof why));
    }
    good = is_secret(keys->path, &info, error, size);
    (void)setvbuf(file, NULL, _IONBF, 0); /* no copy of keys in a buffer that isn't wiped */
    if (good && !parse_file(file, keys->at)) {
        good = false;
        (void)fail(SL_BAD_INPUT, error, size,
                   "--ticket-keys %s isn't a file of ticket keys: remove it, and a new one is made",
                   keys->path);
    }
    (void)fclose(file);
    return good ? SL_OK : SL_BAD_INPUT;
}

static size_t print_key(const struct key *key, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "%" PRId64 " ", key->made_us);

    for (size_t i = 0; i < NAME; i++)
        len += (size_t)snprintf(out + len, size - len, "%02x", key->name[i]);
    len += (size_t)snprintf(out + len, size - len, " ");
    for (size_t i = 0; i < SECRET; i++)
        len += (size_t)snprintf(out + len, size - len, "%02x", key->secret[i]);
    len += (size_t)snprintf(out + len, size - len, "\n");
    return len;
}

static bool write_keys(int fd, const struct key *keys)
{
    char text[sizeof first_line + KEYS * LINE_SIZE];
    size_t len = sizeof first_line - 1;
    bool good;

    memcpy(text, first_line, len);
    for (size_t i = 0; i < KEYS && keys[i].made_us != 0; i++)
        len += print_key(&keys[i], text + len, sizeof text - len);
    good = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    mbedtls_platform_zeroize(text, sizeof text);
    return good;
}

/* Beside the file first, then in its place: a crash leaves the old keys or the new ones. */
static enum sl_status save(const struct sl_ticket_keys *keys, char *error, size_t size)
{
    char why[WHY_SIZE];
    char *beside = NULL;
    int fd, code;
    bool good;

    if (keys->path == NULL)
        return SL_OK;
    if (asprintf(&beside, "%s.new", keys->path) < 0)
        return fail(SL_NOMEM, error, size, "out of memory");
    (void)unlink(beside); /* what a crash left */
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    good = fd >= 0 && write_keys(fd, keys->at);
    code = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        code = errno;
        good = false;
    }
    if (good && rename(beside, keys->path) != 0) {
        code = errno;
        good = false;
    }
    if (!good && fd >= 0)
        (void)unlink(beside);
    free(beside);
    if (good)
        return SL_OK;
    return fail(SL_IO, error, size, "--ticket-keys %s can't be written: %s", keys->path,
                strerror_r(code, why, sizeof why));
}

/* --- the keys */

static bool make_key(struct sl_ticket_keys *keys, int64_t now_us, struct key *key)
{
    key->made_us = now_us;
    return sl_random_fill(keys->random, key->name, NAME) &&
           sl_random_fill(keys->random, key->secret, SECRET);
}

/* A key that was made later than now tells nothing about its age, so it's too old. */
static bool is_older(const struct key *key, int64_t now_us, int64_t age_us)
{
    return key->made_us == 0 || key->made_us > now_us || now_us - key->made_us >= age_us;
}

enum sl_status sl_ticket_keys_turn(struct sl_ticket_keys *keys, int64_t now_us, char *error,
                                   size_t error_size)
{
    struct key fresh;

    /* `at` is written by this thread only, so it may be read without the lock. */
    if (!is_older(&keys->at[0], now_us, keys->max_age_us))
        return SL_OK;
    if (!make_key(keys, now_us, &fresh))
        return fail(SL_IO, error, error_size, "this machine gives no randomness");
    (void)pthread_mutex_lock(&keys->lock);
    if (is_older(&keys->at[0], now_us, 2 * keys->max_age_us))
        mbedtls_platform_zeroize(&keys->at[1], sizeof keys->at[1]);
    else
        keys->at[1] = keys->at[0];
    keys->at[0] = fresh;
    (void)pthread_mutex_unlock(&keys->lock);
    mbedtls_platform_zeroize(&fresh, sizeof fresh);
    return save(keys, error, error_size);
}

enum sl_status sl_ticket_keys_new(int64_t max_age_us, const char *path,
                                  struct sl_ticket_keys **keys, char *error, size_t error_size)
{
    struct sl_ticket_keys *made = calloc(1, sizeof *made);
    enum sl_status status = SL_OK;

    (void)snprintf(error, error_size, "out of memory");
    if (made == NULL)
        return SL_NOMEM;
    (void)pthread_mutex_init(&made->lock, NULL);
    made->max_age_us = max_age_us;
    made->path = path;
    if (sl_random_new(&made->random) != 0)
        status = fail(SL_IO, error, error_size, "this machine gives no randomness");
    if (status == SL_OK && path != NULL)
        status = load(made, error, error_size);
    if (status == SL_OK)
        status = sl_ticket_keys_turn(made, sl_clock_wall_us(), error, error_size);
    if (status != SL_OK) {
        sl_ticket_keys_free(made);
        return status;
    }
    *keys = made;
    return SL_OK;
}

enum sl_status sl_ticket_keys_check(const char *path, char *error, size_t error_size)
{
    struct sl_ticket_keys keys = {.path = path};
    enum sl_status status = load(&keys, error, error_size);

    mbedtls_platform_zeroize(keys.at, sizeof keys.at);
    return status;
}

void sl_ticket_keys_free(struct sl_ticket_keys *keys)
{
    if (keys == NULL)
        return;
    sl_random_free(keys->random);
    (void)pthread_mutex_destroy(&keys->lock);
    mbedtls_platform_zeroize(keys, sizeof *keys);
    free(keys);
}

int64_t sl_ticket_keys_max_age_us(const struct sl_ticket_keys *keys)
{
    return keys->max_age_us;
}

/* A copy of the newest key (`name` null) or the one of this name; the caller wipes it. */
static bool find(struct sl_ticket_keys *keys, const uint8_t *name, struct key *key)
{
    bool found = false;

    (void)pthread_mutex_lock(&keys->lock);
    for (size_t i = 0; i < KEYS && !found; i++) {
        found =
            keys->at[i].made_us != 0 && (name == NULL || memcmp(keys->at[i].name, name, NAME) == 0);
        if (found)
            *key = keys->at[i];
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return found;
}

enum sl_status sl_ticket_keys_seal(struct sl_ticket_keys *keys, const uint8_t *plain, size_t len,
                                   uint8_t *out)
{
    struct sl_sealed sealed = {.name = out,
                               .name_len = NAME,
                               .nonce = out + NAME,
                               .bytes = out + NAME + NONCE,
                               .len = len,
                               .tag = out + NAME + NONCE + len};
    struct key key;
    bool good;

    if (!find(keys, NULL, &key))
        return SL_DENIED;
    memcpy(out, key.name, NAME);
    good = sl_random_fill(keys->random, out + NAME, NONCE) &&
           sl_compat_seal(key.secret, &sealed, plain) == 0;
    mbedtls_platform_zeroize(&key, sizeof key);
    return good ? SL_OK : SL_DENIED;
}

enum sl_status sl_ticket_keys_open(struct sl_ticket_keys *keys, uint8_t *bytes, size_t *len)
{
    struct sl_sealed sealed;
    struct key key;
    bool good;

    if (*len < SL_SEAL_SIZE || !find(keys, bytes, &key))
        return SL_DENIED;
    sealed = (struct sl_sealed){.name = bytes,
                                .name_len = NAME,
                                .nonce = bytes + NAME,
                                .bytes = bytes + NAME + NONCE,
                                .len = *len - SL_SEAL_SIZE,
                                .tag = bytes + *len - TAG};
    good = sl_compat_unseal(key.secret, &sealed, sealed.bytes) == 0;
    mbedtls_platform_zeroize(&key, sizeof key);
    if (!good)
        return SL_DENIED;
    memmove(bytes, sealed.bytes, sealed.len);
    *len = sealed.len;
    return SL_OK;
}
