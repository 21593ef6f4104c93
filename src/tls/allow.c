/* SPDX-License-Identifier: Apache-2.0 */
/* allow.c -- see allow.h. */
#include "tls/allow.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/identity.h"
#include "wire/message.h"

enum { LINE_SIZE = 1026, LINES_MAX = 65536 };

struct line {
    struct line *next;
    char *pattern;
    char *names; /* null: any */
    double rate; /* 0: any */
    bool pinned;
    uint8_t fingerprint[SL_FINGERPRINT_SIZE];
};

struct sl_allow {
    struct line *first;
};

/* What is being read, for sentences about it. */
struct reader {
    const char *path;
    int number;
    char *error;
    size_t error_size;
};

static enum sl_status wrong(const struct reader *reader, const char *what, const char *word)
{
    (void)snprintf(reader->error, reader->error_size, "--allow %s, line %d: %s: '%.80s'",
                   reader->path, reader->number, what, word);
    return SL_BAD_INPUT;
}

static bool is_pattern(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= SL_SENSOR_NAME_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-*?") ==
               len;
}

static bool parse_fingerprint(const char *text, uint8_t out[static SL_FINGERPRINT_SIZE])
{
    size_t count = 0;

    while (*text != '\0') {
        int high, low;

        if (*text == ':') {
            text++;
            continue;
        }
        high = sl_hex_digit(text[0]);
        low = high < 0 ? -1 : sl_hex_digit(text[1]);
        if (low < 0 || count == SL_FINGERPRINT_SIZE)
            return false;
        out[count++] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return count == SL_FINGERPRINT_SIZE;
}

static enum sl_status parse_word(const struct reader *reader, struct line *line, char *word)
{
    char *end;

    if (strncmp(word, "sha256=", 7) == 0) {
        line->pinned = true;
        return parse_fingerprint(word + 7, line->fingerprint)
                   ? SL_OK
                   : wrong(reader, "a fingerprint is 64 hex digits", word);
    }
    if (strncmp(word, "names=", 6) == 0 && word[6] != '\0') {
        free(line->names);
        line->names = strdup(word + 6);
        return line->names == NULL ? SL_NOMEM : SL_OK;
    }
    if (strncmp(word, "rate=", 5) == 0) {
        line->rate = strtod(word + 5, &end);
        return *end == '\0' && line->rate >= 0.001 && line->rate <= 1e6
                   ? SL_OK
                   : wrong(reader, "a rate is 0.001 to 1000000 readings a second", word);
    }
    return wrong(reader, "after the name come sha256=, names= or rate=", word);
}

/* Fills `line` from its text, which is taken apart. `pattern` stays null for an empty line. */
static enum sl_status parse_line(const struct reader *reader, struct line *line, char *text)
{
    static const char blanks[] = " \t\r\n";
    enum sl_status status = SL_OK;
    char *rest = NULL;
    char *word;

    text[strcspn(text, "#")] = '\0';
    word = strtok_r(text, blanks, &rest);
    if (word == NULL)
        return SL_OK;
    if (!is_pattern(word))
        return wrong(reader, "this can't be a sensor's name", word);
    line->pattern = strdup(word);
    if (line->pattern == NULL)
        return SL_NOMEM;
    while (status == SL_OK && (word = strtok_r(NULL, blanks, &rest)) != NULL)
        status = parse_word(reader, line, word);
    return status;
}

static void free_line(struct line *line)
{
    free(line->pattern);
    free(line->names);
    free(line);
}

/* Reads one line of the file into the list at `*end`. SL_CLOSED at the file's end. */
static enum sl_status read_line(struct reader *reader, FILE *file, struct line ***end)
{
    char text[LINE_SIZE];
    struct line *line;
    enum sl_status status;

    if (fgets(text, sizeof text, file) == NULL)
        return SL_CLOSED;
    reader->number++;
    if (strlen(text) == sizeof text - 1 && text[sizeof text - 2] != '\n')
        return wrong(reader, "the line is longer than 1024 bytes", "");
    if (reader->number > LINES_MAX)
        return wrong(reader, "the list has too many lines", "");
    line = calloc(1, sizeof *line);
    if (line == NULL)
        return SL_NOMEM;
    status = parse_line(reader, line, text);
    if (status != SL_OK || line->pattern == NULL) {
        free_line(line);
        return status;
    }
    **end = line;
    *end = &line->next;
    return SL_OK;
}

enum sl_status sl_allow_load(const char *path, struct sl_allow **allow, char *error,
                             size_t error_size)
{
    struct reader reader = {path, 0, error, error_size};
    FILE *file = fopen(path, "re");
    struct sl_allow *made;
    struct line **end;
    enum sl_status status = SL_OK;

    if (file == NULL) {
        (void)snprintf(error, error_size, "--allow %s can't be read: %s", path, strerror(errno));
        return SL_BAD_INPUT;
    }
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        (void)fclose(file);
        return SL_NOMEM;
    }
    end = &made->first;
    while (status == SL_OK)
        status = read_line(&reader, file, &end);
    if (status == SL_CLOSED && ferror(file) != 0) {
        (void)snprintf(error, error_size, "--allow %s can't be read to its end", path);
        status = SL_BAD_INPUT;
    }
    (void)fclose(file);
    if (status != SL_CLOSED) {
        sl_allow_free(made);
        return status;
    }
    *allow = made;
    return SL_OK;
}

void sl_allow_free(struct sl_allow *allow)
{
    if (allow == NULL)
        return;
    while (allow->first != NULL) {
        struct line *line = allow->first;

        allow->first = line->next;
        free_line(line);
    }
    free(allow);
}

size_t sl_allow_count(const struct sl_allow *allow)
{
    size_t count = 0;

    for (const struct line *line = allow->first; line != NULL; line = line->next)
        count++;
    return count;
}

/*
 * A certificate whose hash is asked for by pinned lines only, and then once: it costs as much as
 * all else in an admission.
 */
struct hashed {
    const struct mbedtls_x509_crt *certificate;
    bool tried;
    bool known;
    uint8_t fingerprint[SL_FINGERPRINT_SIZE];
};

static bool is_of(const struct line *line, struct hashed *hashed)
{
    if (!line->pinned)
        return true;
    if (!hashed->tried)
        hashed->known = sl_identity_fingerprint(hashed->certificate, hashed->fingerprint);
    hashed->tried = true;
    return hashed->known &&
           memcmp(line->fingerprint, hashed->fingerprint, sizeof line->fingerprint) == 0;
}

bool sl_allow_find(const struct sl_allow *allow, const char *sensor,
                   const struct mbedtls_x509_crt *certificate, struct sl_allow_rule *rule)
{
    struct hashed hashed = {.certificate = certificate};

    for (const struct line *line = allow->first; line != NULL; line = line->next) {
        if (fnmatch(line->pattern, sensor, 0) != 0 || !is_of(line, &hashed))
            continue;
        *rule = (struct sl_allow_rule){line->names, line->rate};
        return true;
    }
    return false;
}

bool sl_allow_names(const struct sl_allow_rule *rule, struct sl_bytes name)
{
    char text[SL_NAME_MAX + 1];
    char pattern[LINE_SIZE];

    if (rule->names == NULL)
        return true;
    if (name.len > SL_NAME_MAX)
        return false;
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';
    for (const char *at = rule->names; *at != '\0';) {
        size_t len = strcspn(at, ",");

        memcpy(pattern, at, len);
        pattern[len] = '\0';
        if (fnmatch(pattern, text, 0) == 0)
            return true;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return false;
}
