/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_step.c -- a wall clock that can be set while a program runs, for LD_PRELOAD.
 *
 * The file that SENSORLINK_CLOCK_STEP names holds one int64_t: the microseconds to add to the time
 * of day. It is mapped, so who writes to it steps the clock of all programs that run with this
 * library. Only the wall clock moves: the monotonic clock is the kernel's, as when somebody sets
 * the time.
 *
 * Memory   One page, mapped at start and never given back.
 * Threads  Any.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_US = 1000, US_PER_S = 1000000 };

/* What is preloaded has no one else to keep this for it. */
static const _Atomic int64_t *offset_us;

__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("SENSORLINK_CLOCK_STEP");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        offset_us = page;
    (void)close(fd);
}

/* Microseconds since 1970 by the clock that was stepped. */
static int64_t stepped_us(void)
{
    struct timespec now = {0, 0};

    (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US +
           (offset_us ? atomic_load(offset_us) : 0);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, now);
    int64_t us = stepped_us();
    *now = (struct timespec){us / US_PER_S, us % US_PER_S * NS_PER_US};
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int64_t us = stepped_us();

    (void)zone;
    *now = (struct timeval){us / US_PER_S, us % US_PER_S};
    return 0;
}

time_t time(time_t *out)
{
    time_t now = (time_t)(stepped_us() / US_PER_S);

    if (out)
        *out = now;
    return now;
}
