/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_user.c -- children that become another user, and what they can still do before and after
 * they settle for that. Most of it takes root.
 */
#include "confine_place.h"

#include <grp.h>
#include <pwd.h>

#include "server/user.h"

enum { FAILED = 99, PRIVILEGED_PORT = 1, ERROR_SIZE = 320, GROUPS_MAX = 64 };

/* On Debian both are always there. */
#define USER "games"
#define OTHER_USER "daemon"

static void as_we_are(const struct place *place)
{
    (void)place;
}

static void starting(const struct place *place)
{
    char error[ERROR_SIZE];

    (void)place;
    if (sl_user_become(USER, error, sizeof error) != SL_OK)
        _exit(FAILED);
}

static void settled(const struct place *place)
{
    char error[ERROR_SIZE];

    starting(place);
    if (sl_user_settle(error, sizeof error) != SL_OK)
        _exit(FAILED);
}

static int read_key(const struct place *place)
{
    return opened(place->key, O_RDONLY);
}

static int write_key(const struct place *place)
{
    return opened(place->key, O_WRONLY);
}

static int bind_privileged(const struct place *place)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(PRIVILEGED_PORT),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return outcome(bind(place->spare, (struct sockaddr *)&address, sizeof address));
}

static int become_root(const struct place *place)
{
    (void)place;
    return outcome(setuid(0));
}

static int take_groups(const struct place *place)
{
    const gid_t root = 0;

    (void)place;
    return outcome(setgroups(1, &root));
}

/* The identity is whole: real, effective and saved ids, and no group of root's. */
static int is_the_user(const struct place *place)
{
    char entry[4096];
    struct passwd user;
    struct passwd *found = NULL;
    uid_t ids[3];
    gid_t groups[GROUPS_MAX];
    int count = getgroups(GROUPS_MAX, groups);

    (void)place;
    if (getpwnam_r(USER, &user, entry, sizeof entry, &found) != 0 || found == NULL ||
        getresuid(&ids[0], &ids[1], &ids[2]) != 0 || count < 0)
        return FAILED;
    for (int i = 0; i < 3; i++)
        if (ids[i] != user.pw_uid)
            return FAILED;
    for (int i = 0; i < count; i++)
        if (groups[i] == 0)
            return FAILED;
    return getgid() == user.pw_gid && getegid() == user.pw_gid ? 0 : FAILED;
}

static int has_no_privilege(const struct place *place)
{
    char line[256];
    int seen = 0;
    FILE *status = fopen("/proc/self/status", "re");

    (void)place;
    if (status == NULL)
        return FAILED;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapPrm:", 7) == 0 ||
            strncmp(line, "CapInh:", 7) == 0)
            seen += strtoull(line + 7, NULL, 16) == 0;
    (void)fclose(status);
    return seen == 3 ? 0 : FAILED;
}

static int become_another(const struct place *place)
{
    char error[ERROR_SIZE] = "";

    (void)place;
    if (sl_user_become(OTHER_USER, error, sizeof error) != SL_BAD_INPUT)
        return FAILED;
    return strstr(error, "only root can become another user") != NULL ? 0 : FAILED;
}

static int become_the_same(const struct place *place)
{
    char error[ERROR_SIZE];

    (void)place;
    return sl_user_become(USER, error, sizeof error) == SL_OK ? 0 : FAILED;
}

static void need_root(void)
{
    if (geteuid() != 0) {
        (void)printf("this takes root\n");
        skip();
    }
}

static void test_user_that_starts_can_bind_and_read_but_not_write_as_root(void **state)
{
    need_root();
    expect(*state, as_we_are, write_key, 0);
    expect(*state, starting, is_the_user, 0);
    expect(*state, starting, bind_privileged, 0);
    expect(*state, starting, read_key, 0);
    expect(*state, starting, write_key, EACCES);
    expect(*state, starting, become_root, EPERM);
}

/* Some containers let everybody bind every port. */
static bool ports_take_root(void)
{
    char text[16] = "";
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");

    if (file == NULL)
        return true;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    (void)fclose(file);
    return strtol(text, NULL, 10) > PRIVILEGED_PORT;
}

static void test_user_that_settled_has_no_privilege_and_gets_none_back(void **state)
{
    need_root();
    expect(*state, settled, is_the_user, 0);
    expect(*state, settled, has_no_privilege, 0);
    expect(*state, settled, bind_privileged, ports_take_root() ? EACCES : 0);
    expect(*state, settled, read_key, EACCES);
    expect(*state, settled, become_root, EPERM);
    expect(*state, settled, take_groups, EPERM);
}

static void test_user_can_stay_itself_and_become_no_other(void **state)
{
    need_root();
    expect(*state, settled, become_the_same, 0);
    expect(*state, settled, become_another, 0);
}

static void test_user_that_is_not_there_is_refused(void **state)
{
    char error[ERROR_SIZE];

    (void)state;
    assert_int_equal(sl_user_become("no-such-user", error, sizeof error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "--user no-such-user: there is no such user"));
}

static void test_user_root_is_refused(void **state)
{
    char error[ERROR_SIZE];

    (void)state;
    assert_int_equal(sl_user_become("root", error, sizeof error), SL_BAD_INPUT);
    assert_non_null(strstr(error, geteuid() == 0 ? "name another user" : "only root"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_PLACE(test_user_that_starts_can_bind_and_read_but_not_write_as_root),
        OF_PLACE(test_user_that_settled_has_no_privilege_and_gets_none_back),
        OF_PLACE(test_user_can_stay_itself_and_become_no_other),
        cmocka_unit_test(test_user_that_is_not_there_is_refused),
        cmocka_unit_test(test_user_root_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
