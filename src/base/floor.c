/* SPDX-License-Identifier: Apache-2.0 */
/* floor.c -- see floor.h. SENSORLINK_BUILT comes from the build: Unix seconds. */
#include "base/floor.h"

#define SLACK_US INT64_C(86400000000)

/* 2024-01-01, where the build has no better date: SOURCE_DATE_EPOCH=0, say. */
#define PROJECT_US INT64_C(1704067200000000)

int64_t sl_floor_built_us(void)
{
    int64_t built_us = INT64_C(1000000) * SENSORLINK_BUILT;
    return built_us > PROJECT_US ? built_us : PROJECT_US;
}

bool sl_floor_is_above(int64_t floor_us, int64_t now_us)
{
    return now_us < floor_us - SLACK_US;
}

int64_t sl_floor_agreed_us(int64_t own_us, int64_t server_us)
{
    int64_t earlier_us = own_us < server_us ? own_us : server_us;
    int64_t later_us = own_us < server_us ? server_us : own_us;

    if (earlier_us < 0 || later_us - earlier_us > SLACK_US)
        return INT64_MIN;
    return earlier_us;
}
