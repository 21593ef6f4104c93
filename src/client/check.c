/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- see check.h. */
#include "client/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/floor.h"
#include "client/floor_file.h"
#include "client/probe.h"
#include "spool/look.h"
#include "tls/inspect.h"
#include "wire/reading.h"

enum { ERROR_SIZE = 1024 };

/* Whose spool it is and what waits in it, once it could be looked into. */
static void tell_contents(const struct sl_client_check *check, const struct sl_spool_state *state,
                          const char *name, struct sl_checklist *list)
{
    int64_t waiting = state->readings;

    if (state->sensor[0] != '\0' && name[0] != '\0' && strcmp(state->sensor, name) != 0)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--spool",
                         "%s belongs to %s, and this certificate is %s's: give each sensor its own "
                         "--spool",
                         check->spool, state->sensor, name);
    else
        sl_checklist_add(list, SL_VERDICT_OK, "--spool", "%s: %s%s, %" PRId64 " reading%s waiting",
                         check->spool, state->sensor[0] != '\0' ? "of " : "of no sensor yet",
                         state->sensor, waiting, waiting == 1 ? "" : "s");
}

/* What stands in a file that is there. */
static void look_at_spool(const struct sl_client_check *check, const char *name,
                          struct sl_checklist *list)
{
    struct sl_spool_look look;
    char error[ERROR_SIZE];
    enum sl_status status = sl_spool_look(check->spool, &look, error, sizeof error);

    if (status == SL_LIMIT)
        sl_checklist_add(list, SL_VERDICT_WARNING, "--spool",
                         "%s is in use, so it can't be looked into: fine if that is this sensor's "
                         "own client; a second one can't start",
                         check->spool);
    else if (status != SL_OK)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--spool", "%s", error);
    else if (look.version == look.newest)
        tell_contents(check, &look.state, name, list);
    else if (look.version == 0)
        sl_checklist_add(list, SL_VERDICT_OK, "--spool",
                         "%s is empty: the client makes a spool of "
                         "it",
                         check->spool);
    else
        sl_checklist_add(list, SL_VERDICT_OK, "--spool",
                         "%s is of version %" PRId64 ": the client brings it up to %" PRId64,
                         check->spool, look.version, look.newest);
}

static void check_file(const struct sl_sample *sample, struct sl_checklist *list)
{
    char bytes[SL_SAMPLE_FILE_SIZE];
    char text[SL_SAMPLE_TEXT_SIZE];
    size_t len = 0;
    size_t printed = 0;
    const char *why = "out of memory";
    char *path = strndup(sample->spec.what.at, sample->spec.what.len);

    if (path != NULL && sl_sample_read_file(path, bytes, &len) != SL_OK)
        why = strerror(errno);
    else if (path != NULL && sl_sample_print(&sample->spec, (struct sl_bytes){bytes, len}, text,
                                             &printed, &why) == SL_OK)
        why = NULL;
    if (why == NULL)
        sl_checklist_add(list, SL_VERDICT_OK, "--read", "%s gives now: %s", path, text);
    else
        sl_checklist_add(list, SL_VERDICT_FAULT, "--read", "%s gives no reading of %.*s: %s",
                         path == NULL ? "a file" : path, (int)sample->spec.name.len,
                         sample->spec.name.at, why);
    free(path);
}

static void check_sources(const struct sl_client_check *check, struct sl_checklist *list)
{
    for (size_t i = 0; i < check->sample_count; i++) {
        const struct sl_sample *sample = &check->samples[i];

        if (sample->command)
            sl_checklist_add(list, SL_VERDICT_OK, "--exec", "%.*s: --check doesn't run '%.*s'",
                             (int)sample->spec.name.len, sample->spec.name.at,
                             (int)sample->spec.what.len, sample->spec.what.at);
        else
            check_file(sample, list);
    }
    for (size_t i = 0; i < check->message_count; i++) {
        struct sl_reading reading;
        enum sl_flaw flaw = SL_FLAW_NONE;

        if (sl_reading_parse(sl_bytes_of(check->messages[i]), &reading, &flaw) == SL_OK)
            sl_checklist_add(list, SL_VERDICT_OK, "--message", "'%s' is a reading",
                             check->messages[i]);
        else
            sl_checklist_add(list, SL_VERDICT_FAULT, "--message", "'%s' is no reading: %s",
                             check->messages[i], sl_flaw_text(flaw));
    }
}

/* The floor that the client would begin with. */
static int64_t check_floor(const struct sl_client_check *check, struct sl_checklist *list)
{
    int64_t floor_us = 0;
    const char *path = check->floor_file;
    enum sl_status status = path == NULL ? SL_OK : sl_floor_file_read(path, &floor_us);

    if (status == SL_IO)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--clock-floor", "%s can't be read: %s", path,
                         strerror(errno));
    else if (status != SL_OK)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--clock-floor",
                         "%s isn't a line with Unix seconds; remove it to start anew", path);
    else if (path != NULL && floor_us == 0)
        sl_checklist_add_new_file(list, "--clock-floor", path, "the client makes it");
    else if (path != NULL && !sl_checklist_folder_writable(path))
        sl_checklist_add(list, SL_VERDICT_FAULT, "--clock-floor",
                         "%s can't be renewed, for this user can't write in its folder: %s", path,
                         strerror(errno));
    else if (path != NULL)
        sl_checklist_add(list, SL_VERDICT_OK, "--clock-floor", "%s holds a time", path);
    return floor_us > sl_floor_built_us() ? floor_us : sl_floor_built_us();
}

void sl_client_check(const struct sl_client_check *check, struct sl_checklist *list)
{
    struct sl_trust_files files = {
        .ca = check->link->ca_file, .cert = check->link->cert_file, .key = check->link->key_file};
    struct sl_client_config link = *check->link;
    char name[SL_SENSOR_NAME_MAX + 1];

    sl_inspect_trust(SL_ROLE_SENSOR, &files, link.expiry_warning_ms, list, name);
    if (sl_checklist_reaches_database(list, "--spool", check->spool, "the client makes it"))
        look_at_spool(check, name, list);
    check_sources(check, list);
    link.clock_floor_us = check_floor(check, list);
    sl_checklist_add_clock(list, link.clock_floor_us, sl_clock_wall_us());
    if (!check->online)
        return;
    /* What is wrong here would only be said again. */
    if (list->counts[SL_VERDICT_FAULT] > 0)
        sl_checklist_add(list, SL_VERDICT_WARNING, "--online",
                         "%s isn't tried before the faults above are mended", link.host);
    else
        sl_probe_server(&link, list);
}
