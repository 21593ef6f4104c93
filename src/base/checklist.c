/* SPDX-License-Identifier: Apache-2.0 */
/* checklist.c -- see checklist.h. */
#include "base/checklist.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/floor.h"
#include "base/utf8.h"

const char *sl_verdict_word(enum sl_verdict verdict)
{
    static const char *const words[SL_VERDICTS] = {"ok", "warning", "fault"};

    assert(verdict < SL_VERDICTS);
    return words[verdict];
}

/* `text` without `about` and the blank after it, where it begins so. */
static const char *without(const char *text, const char *about)
{
    size_t len = strlen(about);

    return strncmp(text, about, len) == 0 && text[len] == ' ' ? text + len + 1 : text;
}

/* A file's name and a certificate's subject may hold anything: what leaves no mark becomes `?`. */
static void clean(char *text)
{
    struct sl_bytes rest = sl_bytes_of(text);
    char *out = text;

    while (rest.len > 0) {
        uint32_t code = 0;
        size_t len = sl_utf8_next(rest, &code);
        bool shown = len > 0 && (code == ' ' || sl_utf8_is_visible(code));

        if (!shown)
            *out = '?';
        else if (out != rest.at)
            memmove(out, rest.at, len);
        out += shown ? len : 1;
        rest.at += len > 0 ? len : 1;
        rest.len -= len > 0 ? len : 1;
    }
    *out = '\0';
}

void sl_checklist_add(struct sl_checklist *list, enum sl_verdict verdict, const char *about,
                      const char *format, ...)
{
    char text[SL_CHECKLIST_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    list->counts[verdict]++;
    clean(text);
    list->told(list->ctx, verdict, about, without(text, about));
}

bool sl_checklist_folder_writable(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    bool writable = folder != NULL && access(folder, W_OK | X_OK) == 0;
    int code = folder == NULL ? ENOMEM : errno;

    free(folder);
    errno = code;
    return writable;
}

void sl_checklist_add_new_file(struct sl_checklist *list, const char *about, const char *path,
                               const char *made)
{
    if (sl_checklist_folder_writable(path))
        sl_checklist_add(list, SL_VERDICT_OK, about, "%s isn't there yet: %s", path, made);
    else
        sl_checklist_add(list, SL_VERDICT_FAULT, about,
                         "%s isn't there, and this user can't make it in its folder: %s", path,
                         strerror(errno));
}

/* A log or lock of another user, as a program leaves it that was run once as root. */
static bool add_foreign(struct sl_checklist *list, const char *about, const char *path)
{
    static const char *const endings[] = {"-wal", "-shm", ".lock"};
    bool found = false;

    for (size_t i = 0; i < sizeof endings / sizeof *endings && !found; i++) {
        char *name = NULL;

        if (asprintf(&name, "%s%s", path, endings[i]) < 0)
            return false;
        found = access(name, F_OK) == 0 && access(name, R_OK | W_OK) != 0;
        if (found)
            sl_checklist_add(list, SL_VERDICT_FAULT, about,
                             "%s, which belongs to it, can't be read and written by this user: "
                             "give it the owner that %s has",
                             name, path);
        free(name);
    }
    return found;
}

bool sl_checklist_reaches_database(struct sl_checklist *list, const char *about, const char *path,
                                   const char *made)
{
    if (access(path, F_OK) != 0 && errno == ENOENT)
        sl_checklist_add_new_file(list, about, path, made);
    else if (access(path, R_OK | W_OK) != 0)
        sl_checklist_add(list, SL_VERDICT_FAULT, about,
                         "%s can't be read and written by this user: %s; check its owner and mode",
                         path, strerror(errno));
    else if (!sl_checklist_folder_writable(path))
        sl_checklist_add(list, SL_VERDICT_FAULT, about,
                         "%s: this user can't make the files that belong beside it in its folder: "
                         "%s",
                         path, strerror(errno));
    else
        return !add_foreign(list, about, path);
    return false;
}

void sl_checklist_add_clock(struct sl_checklist *list, int64_t floor_us, int64_t now_us)
{
    char now[SL_TIME_TEXT_SIZE];
    char floor[SL_TIME_TEXT_SIZE];

    (void)sl_time_print_iso(now_us, now);
    (void)sl_time_print_iso(floor_us, floor);
    if (sl_floor_is_above(floor_us, now_us))
        sl_checklist_add(list, SL_VERDICT_FAULT, "clock",
                         "it shows %s, which is before %s, when this program was built or a time "
                         "that was seen before: set it, for certificates are judged by it",
                         now, floor);
    else
        sl_checklist_add(list, SL_VERDICT_OK, "clock", "it shows %s, which can be", now);
}
