/* SPDX-License-Identifier: Apache-2.0 */
/* check.c -- see check.h. */
#include "server/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/floor.h"
#include "net/listener.h"
#include "store/reader.h"
#include "tls/inspect.h"

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
    rlim_t wanted = (rlim_t)sl_server_descriptors(&config->limits);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < wanted)
        sl_checklist_add(list, SL_VERDICT_WARNING, "open files",
                         "the system allows %llu, and --max-connections %lld needs %llu: raise the "
                         "limit (ulimit -Hn, LimitNOFILE=), or lower --max-connections",
                         (unsigned long long)limit.rlim_max,
                         (long long)config->limits.door.connections, (unsigned long long)wanted);
    else
        sl_checklist_add(list, SL_VERDICT_OK, "open files",
                         "the system allows the %llu that --max-connections %lld needs",
                         (unsigned long long)wanted, (long long)config->limits.door.connections);
}

void sl_server_check(const struct sl_server_config *config, struct sl_checklist *list)
{
    char name[SL_SENSOR_NAME_MAX + 1];

    sl_inspect_trust(SL_ROLE_SERVER, &config->files, config->limits.expiry_warning_ms, list, name);
    check_store(config->store, list);
    check_addresses(config, list);
    check_log(config->log_file, list);
    check_descriptors(config, list);
    sl_checklist_add_clock(list, sl_floor_built_us(), sl_clock_wall_us());
}
