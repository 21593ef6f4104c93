/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h -- how often each duration came, in little room: 128 equal steps an octave, so that
 * what is read from it is off by less than 1 %.
 *
 * Memory   The caller owns struct histogram; start with `{0}`. 32 KiB.
 * Limits   From 1 ns to about 137 s; what is longer counts as that.
 * Threads  One at a time; each thread has its own and they are added up at the end.
 */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEP_BITS = 7, HISTOGRAM_OCTAVES = 31 };

struct histogram {
    uint64_t count;
    int64_t most_ns; /* exactly */
    uint64_t at[HISTOGRAM_OCTAVES << HISTOGRAM_STEP_BITS];
};

void histogram_add(struct histogram *histogram, int64_t ns);

/* Adds all of `other`. */
void histogram_join(struct histogram *histogram, const struct histogram *other);

/* The duration that `share` (0 to 1) of all don't exceed, in nanoseconds; 0 where there is none. */
int64_t histogram_share(const struct histogram *histogram, double share);

#endif
