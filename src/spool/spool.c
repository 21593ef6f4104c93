/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c -- what all spools have in common. */
#include "sensorlink/spool.h"

void sl_spool_close(struct sl_spool *spool)
{
    if (spool)
        spool->functions->close(spool);
}
