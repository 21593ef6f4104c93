/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- see check.h. */
#include "server/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/floor.h"
#include "net/listener.h"
#include "server/user.h"
#include "store/reader.h"
#include "tls/inspect.h"
#include "tls/ticket_keys.h"

/* What stands in a file that is there. */
static void look_at_store(const char *path, struct sl_checklist *list)
{
    struct sl_reader_summary summary;
    char error[SL_SERVER_ERROR_SIZE];

    if (sl_reader_peek(path, &summary, error, sizeof error) == SL_OK)
        sl_checklist_add(list, SL_VERDICT_OK, "--store", "%s: %lld reading%s of %lld sensor%s",
                         path, (long long)summary.readings, summary.readings == 1 ? "" : "s",
                         (long long)summary.sensors, summary.sensors == 1 ? "" : "s");
    else
        sl_checklist_add(list, SL_VERDICT_FAULT, "--store", "%s", error);
}

static void check_store(const char *path, struct sl_checklist *list)
{
    struct stat about;

    if (!sl_server_store_is_file(path))
        sl_checklist_add(list, SL_VERDICT_FAULT, "--store", "%s isn't a file", path);
    else if (!sl_checklist_reaches_database(list, "--store", path, "the server makes it"))
        return;
    else if (stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == 0)
        sl_checklist_add(list, SL_VERDICT_OK, "--store",
                         "%s is empty: the server makes a store of it", path);
    else
        look_at_store(path, list);
}

static void check_address(const char *text, struct sl_checklist *list)
{
    struct sl_address address;
    char shown[SL_ADDRESS_TEXT_SIZE];
    char error[SL_SERVER_ERROR_SIZE];
    enum sl_status status = sl_server_parse_address(text, &address, error);

    if (status == SL_OK)
        status = sl_listener_try(&address, error, sizeof error);
    if (status == SL_OK)
        sl_checklist_add(list, SL_VERDICT_OK, "--listen", "%s is free",
                         sl_address_print(&address, shown));
    else if (status == SL_LIMIT)
        sl_checklist_add(list, SL_VERDICT_WARNING, "--listen",
                         "%s; fine if that is this very server", error);
    else
        sl_checklist_add(list, SL_VERDICT_FAULT, "--listen", "%s", error);
}

static void check_addresses(const struct sl_server_config *config, struct sl_checklist *list)
{
    if (config->listen_count == 0)
        check_address(SL_SERVER_LISTEN_DEFAULT, list);
    for (size_t i = 0; i < config->listen_count; i++)
        check_address(config->listen[i], list);
}

static void check_log(const char *path, struct sl_checklist *list)
{
    if (path == NULL)
        return;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        sl_checklist_add_new_file(list, "--log-file", path, "the server makes it");
    else if (access(path, W_OK) != 0)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--log-file",
                         "%s can't be written by this user: %s; check its owner and mode", path,
                         strerror(errno));
    else
        sl_checklist_add(list, SL_VERDICT_OK, "--log-file", "%s can be written", path);
}

static void check_descriptors(const struct sl_server_config *config, struct sl_checklist *list)
{
    int64_t wanted = sl_server_descriptors(config);
    int64_t allowed = sl_server_raise_descriptors(wanted);

    if (allowed < wanted)
        sl_checklist_add(list, SL_VERDICT_WARNING, "open files",
                         "the system allows %lld, and --max-connections %lld needs %lld: raise the "
                         "limit (ulimit -Hn, LimitNOFILE=), or lower --max-connections",
                         (long long)allowed, (long long)config->limits.door.connections,
                         (long long)wanted);
    else
        sl_checklist_add(list, SL_VERDICT_OK, "open files",
                         "the system allows the %lld that --max-connections %lld needs",
                         (long long)wanted, (long long)config->limits.door.connections);
}

static void check_ticket_keys(const struct sl_server_config *config, struct sl_checklist *list)
{
    const char *path = config->ticket_keys;
    char error[SL_SERVER_ERROR_SIZE];

    if (path == NULL)
        return;
    if (config->resume_max_age_ms == 0)
        sl_checklist_add(list, SL_VERDICT_WARNING, "--ticket-keys",
                         "%s isn't used, for --resume-max-age 0 lets no session be resumed", path);
    else if (sl_ticket_keys_check(path, error, sizeof error) != SL_OK)
        sl_checklist_add(list, SL_VERDICT_FAULT, "--ticket-keys", "%s", error);
    else if (access(path, F_OK) != 0)
        sl_checklist_add_new_file(list, "--ticket-keys", path, "the server makes it");
    else if (!sl_checklist_folder_writable(path))
        sl_checklist_add(list, SL_VERDICT_FAULT, "--ticket-keys",
                         "%s can't be replaced by new keys, for this user can't write in its "
                         "folder: %s",
                         path, strerror(errno));
    else
        sl_checklist_add(list, SL_VERDICT_OK, "--ticket-keys",
                         "%s holds keys, readable by their owner only", path);
}

/* False where the server couldn't become that user. */
static bool becomes(const char *user, struct sl_checklist *list)
{
    char error[SL_SERVER_ERROR_SIZE];

    if (user == NULL)
        return true;
    if (sl_user_become(user, error, sizeof error) != SL_OK) {
        sl_checklist_add(list, SL_VERDICT_FAULT, "--user", "%s", error);
        return false;
    }
    sl_checklist_add(list, SL_VERDICT_OK, "--user", "%s: all of this is looked at as that user",
                     user);
    return true;
}

static void check_confinement(const struct sl_server_config *config, const char *user,
                              struct sl_checklist *list)
{
    struct sl_confinement confinement;

    if (!config->confine) {
        sl_checklist_add(list, SL_VERDICT_WARNING, "confinement",
                         "none, because of --confine no, which is for debuggers");
        return;
    }
    if (sl_server_try_confinement(config, user, &confinement) != SL_OK) {
        sl_checklist_add(list, SL_VERDICT_WARNING, "confinement",
                         "it can't be tried, for this system allows no more processes");
        return;
    }
    if (confinement.in_force[0] != '\0')
        sl_checklist_add(list, SL_VERDICT_OK, "confinement", "%s", confinement.in_force);
    for (size_t i = 0; i < confinement.lacks_count; i++)
        sl_checklist_add(list, SL_VERDICT_WARNING, "confinement", "%s", confinement.lacks[i]);
}

void sl_server_check(const struct sl_server_config *config, const char *user,
                     struct sl_checklist *list)
{
    char name[SL_SENSOR_NAME_MAX + 1];
    bool is_user = becomes(user, list);

    sl_inspect_trust(SL_ROLE_SERVER, &config->files, config->limits.expiry_warning_ms, list, name);
    check_ticket_keys(config, list);
    check_store(config->store, list);
    check_addresses(config, list);
    check_log(config->log_file, list);
    check_descriptors(config, list);
    sl_checklist_add_clock(list, sl_floor_built_us(), sl_clock_wall_us());
    if (is_user)
        check_confinement(config, user, list);
}
