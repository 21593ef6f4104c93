/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forgetful_vfs.h -- a disk for SQLite that forgets at a power cut what wasn't synced.
 *
 * Files are in memory: the bytes that programs see, and beside them the bytes that are safe, and
 * the writes in between. A chosen write, truncation, sync or deletion is the one at which the power
 * goes: it doesn't complete, everything fails after it, and of what wasn't synced a random part is
 * kept: each write whole, not at all, or torn into sectors of 512 bytes of which some are kept, in
 * any order. When the power is on again, what survived is what is there.
 *
 * As on a real disk a new file's name is safe after its first sync (SQLite syncs the folder then),
 * and with it all names of the folder; until then a deletion may be forgotten. One byte that is
 * written never changes another (SQLITE_IOCAP_POWERSAFE_OVERWRITE, as SQLite's own VFS says of
 * disks).
 *
 * Memory   sl_forgetful_new() to sl_forgetful_free(). Files of some megabytes.
 * Limits   SL_FORGETFUL_FILES files. Locks keep the connections of this process apart.
 * Threads  SQLite's calls may come from any; the functions below are for one, with nothing open
 *          beside it.
 */
#ifndef SL_TESTS_SUPPORT_FORGETFUL_VFS_H
#define SL_TESTS_SUPPORT_FORGETFUL_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct sl_forgetful;

enum { SL_FORGETFUL_FILES = 8 };

/*
 * Makes one and registers it as SQLite's default, so that what opens a database opens it here. Ends
 * the test program where there is no memory.
 */
struct sl_forgetful *sl_forgetful_new(void);
void sl_forgetful_free(struct sl_forgetful *disk);

/* Removes every file, switches the power on, and draws from `seed` (not 0) from now on. */
void sl_forgetful_clear(struct sl_forgetful *disk, uint32_t seed);

/* The power goes at the `operation`th write, truncation, sync or deletion from now; 0: never. */
void sl_forgetful_cut_at(struct sl_forgetful *disk, int64_t operation);

/* True where the power went. */
bool sl_forgetful_is_off(const struct sl_forgetful *disk);

/* The power is on again, and stays. */
void sl_forgetful_power_on(struct sl_forgetful *disk);

/* From now on a sync says that it was done and does nothing. */
void sl_forgetful_lie(struct sl_forgetful *disk, bool lies);

/*
 * Is called before each write and sync of `name`, from now until the disk is cleared, by whatever
 * thread does it; where it says false, that fails. It may wait: nothing is locked meanwhile.
 */
typedef bool sl_forgetful_hook(void *ctx, const char *name, bool syncs);
void sl_forgetful_before(struct sl_forgetful *disk, sl_forgetful_hook *hook, void *ctx);

/* A random number below `below`. */
uint32_t sl_forgetful_draw(struct sl_forgetful *disk, uint32_t below);

#endif
