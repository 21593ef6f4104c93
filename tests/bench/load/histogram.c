/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c -- see histogram.h. */
#include "histogram.h"

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

/* Short ones have a place each; of the others the first 8 bits count, and how many follow. */
static uint64_t place(uint64_t ns)
{
    const uint64_t last = ((uint64_t)HISTOGRAM_OCTAVES << HISTOGRAM_STEP_BITS) - 1;
    unsigned dropped = 0;
    uint64_t found;

    if (ns < STEPS)
        return ns;
    dropped = 63U - (unsigned)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS;
    found = ((uint64_t)dropped << HISTOGRAM_STEP_BITS) + (ns >> dropped);
    return found < last ? found : last;
}

/* The middle of what has this place. */
static int64_t middle(uint64_t found)
{
    uint64_t dropped = found < STEPS ? 0 : (found >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t first = found - (dropped << HISTOGRAM_STEP_BITS);

    return (int64_t)((first << dropped) + (dropped == 0 ? 0 : UINT64_C(1) << (dropped - 1)));
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    histogram->count++;
    histogram->at[place(ns < 0 ? 0 : (uint64_t)ns)]++;
    if (ns > histogram->most_ns)
        histogram->most_ns = ns;
}

void histogram_join(struct histogram *histogram, const struct histogram *other)
{
    histogram->count += other->count;
    for (uint64_t i = 0; i < sizeof histogram->at / sizeof histogram->at[0]; i++)
        histogram->at[i] += other->at[i];
    if (other->most_ns > histogram->most_ns)
        histogram->most_ns = other->most_ns;
}

int64_t histogram_share(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;

    for (uint64_t i = 0; i < sizeof histogram->at / sizeof histogram->at[0]; i++) {
        seen += histogram->at[i];
        if (seen > 0 && (double)seen >= wanted)
            return middle(i) < histogram->most_ns ? middle(i) : histogram->most_ns;
    }
    return histogram->most_ns;
}
