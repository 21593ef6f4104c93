/* SPDX-License-Identifier: Apache-2.0 */
/* forgetful_vfs.c -- see forgetful_vfs.h. */
#include "support/forgetful_vfs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "support/forgetful_locks.h"

enum { SECTOR = 512, PAGE_SECTOR = 4096, NAME_SIZE = 512, REGIONS_MAX = 16 };

struct image {
    unsigned char *bytes;
    size_t size;
};

/* A write, or a truncation, that wasn't synced yet. */
struct change {
    struct change *next;
    bool truncates;
    size_t at; /* of a truncation the new size */
    size_t len;
    unsigned char *bytes;
};

struct file {
    char name[NAME_SIZE]; /* empty: this place is free */
    bool there;           /* as programs see it */
    bool safe_there;      /* as it would be after a power cut, at the worst */
    struct image seen;
    struct image safe;
    struct change *first; /* oldest */
    struct change *last;
    void *regions[REGIONS_MAX]; /* shared memory of a write-ahead log's index */
    struct sl_forgetful_locks locks;
};

struct sl_forgetful {
    sqlite3_vfs vfs;
    sqlite3_vfs *base;
    pthread_mutex_t lock; /* around everything below */
    struct file files[SL_FORGETFUL_FILES];
    uint32_t random;
    int64_t operations;
    int64_t cut_at;
    bool off;
    bool lies;
    sl_forgetful_hook *before;
    void *ctx;
};

/* SQLite's handle of one of our files. */
struct handle {
    sqlite3_file file; /* first */
    struct sl_forgetful *disk;
    struct file *at;
    struct sl_forgetful_held held;
};

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

uint32_t sl_forgetful_draw(struct sl_forgetful *disk, uint32_t below)
{
    disk->random ^= disk->random << 13;
    disk->random ^= disk->random >> 17;
    disk->random ^= disk->random << 5;
    return disk->random % below;
}

static void resize(struct image *image, size_t size)
{
    if (size > image->size) {
        image->bytes = need(realloc(image->bytes, size));
        memset(image->bytes + image->size, 0, size - image->size);
    }
    image->size = size;
}

static void put(struct image *image, size_t at, const unsigned char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (at + len > image->size)
        resize(image, at + len);
    memcpy(image->bytes + at, bytes, len);
}

static void copy_image(struct image *to, const struct image *from)
{
    resize(to, 0);
    put(to, 0, from->bytes, from->size);
}

static void free_changes(struct file *file)
{
    while (file->first) {
        struct change *change = file->first;
        file->first = change->next;
        free(change->bytes);
        free(change);
    }
    file->last = NULL;
}

static void free_regions(struct file *file)
{
    for (size_t i = 0; i < REGIONS_MAX; i++) {
        sqlite3_free(file->regions[i]);
        file->regions[i] = NULL;
    }
}

static void clear_file(struct file *file)
{
    free_changes(file);
    free_regions(file);
    free(file->seen.bytes);
    free(file->safe.bytes);
    *file = (struct file){0};
}

static struct file *find_file(struct sl_forgetful *disk, const char *name)
{
    for (size_t i = 0; i < SL_FORGETFUL_FILES; i++)
        if (disk->files[i].name[0] && strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

static struct file *make_file(struct sl_forgetful *disk, const char *name)
{
    struct file *file = find_file(disk, name);
    for (size_t i = 0; !file && i < SL_FORGETFUL_FILES; i++)
        if (disk->files[i].name[0] == '\0')
            file = &disk->files[i];
    if (!file || strlen(name) >= NAME_SIZE)
        abort();
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    return file;
}

static void remember(struct file *file, struct change change)
{
    struct change *made = need(malloc(sizeof(*made)));
    *made = change;
    if (file->last)
        file->last->next = made;
    else
        file->first = made;
    file->last = made;
}

/* Some sectors of a write reach the disk. */
static void tear(struct sl_forgetful *disk, struct image *safe, const struct change *change)
{
    for (size_t done = 0; done < change->len;) {
        size_t at = change->at + done;
        size_t len = SECTOR - at % SECTOR;
        if (len > change->len - done)
            len = change->len - done;
        if (sl_forgetful_draw(disk, 2) == 0)
            put(safe, at, change->bytes + done, len);
        done += len;
    }
}

/* What of a file's changes is kept. */
static void forget_some(struct sl_forgetful *disk, struct file *file)
{
    for (const struct change *change = file->first; change; change = change->next) {
        uint32_t fate = sl_forgetful_draw(disk, 3);
        if (change->truncates) {
            if (fate > 0)
                resize(&file->safe, change->at);
        } else if (fate == 1) {
            put(&file->safe, change->at, change->bytes, change->len);
        } else if (fate == 2) {
            tear(disk, &file->safe, change);
        }
    }
    free_changes(file);
    free_regions(file);
    if (file->there != file->safe_there && sl_forgetful_draw(disk, 2) == 0)
        file->safe_there = file->there;
    file->there = file->safe_there;
    if (!file->there)
        resize(&file->safe, 0);
    copy_image(&file->seen, &file->safe);
}

/* Counts one operation; true where the power goes at it, or went before. */
static bool power_goes(struct sl_forgetful *disk)
{
    if (!disk->off && ++disk->operations == disk->cut_at)
        disk->off = true;
    return disk->off;
}

/* --- the functions of a file --- */

static struct handle *enter(sqlite3_file *handle)
{
    struct handle *self = (struct handle *)handle;

    (void)pthread_mutex_lock(&self->disk->lock);
    return self;
}

static int leave(const struct handle *self, int code)
{
    (void)pthread_mutex_unlock(&self->disk->lock);
    return code;
}

static int file_read(sqlite3_file *handle, void *to, int len, sqlite3_int64 at)
{
    const struct handle *self = enter(handle);
    const struct image *seen = &self->at->seen;
    size_t wanted = (size_t)len;
    size_t from = (size_t)at;

    if (self->disk->off)
        return leave(self, SQLITE_IOERR_READ);
    size_t got = from >= seen->size ? 0 : seen->size - from;
    if (got > wanted)
        got = wanted;
    if (got > 0)
        memcpy(to, seen->bytes + from, got);
    memset((unsigned char *)to + got, 0, wanted - got);
    return leave(self, got == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

/* The hook is set while there are no threads. */
static bool may(sqlite3_file *handle, bool syncs)
{
    const struct handle *self = (const struct handle *)handle;
    sl_forgetful_hook *hook = self->disk->before;

    return !hook || hook(self->disk->ctx, self->at->name, syncs);
}

static int file_write(sqlite3_file *handle, const void *from, int len, sqlite3_int64 at)
{
    if (!may(handle, false))
        return SQLITE_FULL;

    struct handle *self = enter(handle);
    bool was_off = self->disk->off;
    bool goes = power_goes(self->disk);

    if (was_off)
        return leave(self, SQLITE_IOERR_WRITE);
    struct change change = {.at = (size_t)at, .len = (size_t)len};
    change.bytes = need(malloc(change.len + 1));
    memcpy(change.bytes, from, change.len);
    remember(self->at, change);
    put(&self->at->seen, change.at, change.bytes, change.len);
    return leave(self, goes ? SQLITE_IOERR_WRITE : SQLITE_OK);
}

static int file_truncate(sqlite3_file *handle, sqlite3_int64 size)
{
    struct handle *self = enter(handle);
    bool was_off = self->disk->off;
    bool goes = power_goes(self->disk);

    if (was_off)
        return leave(self, SQLITE_IOERR_TRUNCATE);
    remember(self->at, (struct change){.truncates = true, .at = (size_t)size});
    resize(&self->at->seen, (size_t)size);
    return leave(self, goes ? SQLITE_IOERR_TRUNCATE : SQLITE_OK);
}

/* What fsync() of the folder does: names made and names removed are safe. */
static void sync_folder(struct sl_forgetful *disk)
{
    for (size_t i = 0; i < SL_FORGETFUL_FILES; i++) {
        struct file *file = &disk->files[i];
        file->safe_there = file->there;
        if (file->there)
            continue;
        resize(&file->safe, 0);
        free_changes(file);
    }
}

static int file_sync(sqlite3_file *handle, int flags)
{
    (void)flags;
    if (!may(handle, true))
        return SQLITE_IOERR_FSYNC;

    struct handle *self = enter(handle);
    if (power_goes(self->disk))
        return leave(self, SQLITE_IOERR_FSYNC);
    if (self->disk->lies)
        return leave(self, SQLITE_OK);
    copy_image(&self->at->safe, &self->at->seen);
    free_changes(self->at);
    /* SQLite's own VFS syncs the folder with the first sync of a file that it made (os_unix.c,
       UNIXFILE_DIRSYNC). */
    if (!self->at->safe_there)
        sync_folder(self->disk);
    return leave(self, SQLITE_OK);
}

static int file_size(sqlite3_file *handle, sqlite3_int64 *size)
{
    const struct handle *self = enter(handle);

    *size = (sqlite3_int64)self->at->seen.size;
    return leave(self, self->disk->off ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

static int file_lock(sqlite3_file *handle, int level)
{
    struct handle *self = enter(handle);

    return leave(self, sl_forgetful_lock_file(&self->at->locks, &self->held, level));
}

static int file_unlock(sqlite3_file *handle, int level)
{
    struct handle *self = enter(handle);

    sl_forgetful_unlock_file(&self->at->locks, &self->held, level);
    return leave(self, SQLITE_OK);
}

static int file_close(sqlite3_file *file)
{
    return file_unlock(file, SQLITE_LOCK_NONE);
}

static int file_reserved(sqlite3_file *handle, int *reserved)
{
    (void)handle;
    *reserved = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *handle, int what, void *argument)
{
    (void)handle;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *handle)
{
    (void)handle;
    return PAGE_SECTOR;
}

static int file_character(sqlite3_file *handle)
{
    (void)handle;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int shm_map(sqlite3_file *handle, int region, int size, int extend, void volatile **to)
{
    struct handle *self = enter(handle);
    void **at = region < REGIONS_MAX ? &self->at->regions[region] : NULL;

    if (at && !*at && extend && !self->disk->off) {
        *at = need(sqlite3_malloc(size));
        memset(*at, 0, (size_t)size);
    }
    *to = at && !self->disk->off ? *at : NULL;
    return leave(self, self->disk->off ? SQLITE_IOERR_SHMMAP : at ? SQLITE_OK : SQLITE_NOMEM);
}

static int shm_lock(sqlite3_file *handle, int at, int count, int flags)
{
    struct handle *self = enter(handle);
    unsigned bits = ((1U << count) - 1) << at;

    return leave(self, sl_forgetful_lock_shm(&self->at->locks, &self->held, bits, flags));
}

static void shm_barrier(sqlite3_file *handle)
{
    (void)leave(enter(handle), SQLITE_OK);
}

static int shm_unmap(sqlite3_file *handle, int deletes)
{
    struct handle *self = enter(handle);

    (void)sl_forgetful_lock_shm(&self->at->locks, &self->held, ~0U, SQLITE_SHM_UNLOCK);
    if (deletes)
        free_regions(self->at);
    return leave(self, SQLITE_OK);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_character,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* --- the functions of the disk --- */

static int open_here(struct sl_forgetful *disk, const char *name, struct handle *handle, int flags)
{
    *handle = (struct handle){0};
    if (disk->off)
        return SQLITE_CANTOPEN;
    struct file *found = find_file(disk, name);
    /* The database itself is made, empty and safe, by who opens it: on the real disk. */
    bool database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    if ((!found || !found->there) && !database && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (!found || !found->there) {
        found = make_file(disk, name);
        found->there = true;
        found->safe_there = database;
    }
    handle->disk = disk;
    handle->at = found;
    handle->file.pMethods = &file_methods;
    return SQLITE_OK;
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    struct sl_forgetful *disk = vfs->pAppData;
    int code;

    if (!name)
        return disk->base->xOpen(disk->base, name, file, flags, out_flags);
    (void)pthread_mutex_lock(&disk->lock);
    code = open_here(disk, name, (struct handle *)file, flags);
    (void)pthread_mutex_unlock(&disk->lock);
    if (out_flags)
        *out_flags = flags;
    return code;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int also_folder)
{
    struct sl_forgetful *disk = vfs->pAppData;
    int code = SQLITE_OK;

    (void)pthread_mutex_lock(&disk->lock);
    struct file *file = find_file(disk, name);
    if (power_goes(disk)) {
        code = SQLITE_IOERR_DELETE;
    } else if (!file || !file->there) {
        code = SQLITE_IOERR_DELETE_NOENT;
    } else {
        file->there = false;
        resize(&file->seen, 0);
        remember(file, (struct change){.truncates = true, .at = 0});
        if (also_folder && !disk->lies)
            sync_folder(disk);
    }
    (void)pthread_mutex_unlock(&disk->lock);
    return code;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *answer)
{
    struct sl_forgetful *disk = vfs->pAppData;

    (void)pthread_mutex_lock(&disk->lock);
    const struct file *file = find_file(disk, name);
    int code = disk->off ? SQLITE_IOERR_ACCESS : SQLITE_OK;

    *answer = file && file->there && (flags != SQLITE_ACCESS_EXISTS || file->seen.size > 0);
    (void)pthread_mutex_unlock(&disk->lock);
    return code;
}

static int disk_full_name(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    struct sl_forgetful *disk = vfs->pAppData;
    return disk->base->xFullPathname(disk->base, name, size, out);
}

static int disk_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    struct sl_forgetful *disk = vfs->pAppData;
    return disk->base->xRandomness(disk->base, size, out);
}

static int disk_sleep(sqlite3_vfs *vfs, int microseconds)
{
    struct sl_forgetful *disk = vfs->pAppData;
    return disk->base->xSleep(disk->base, microseconds);
}

static int disk_time(sqlite3_vfs *vfs, double *now)
{
    struct sl_forgetful *disk = vfs->pAppData;
    return disk->base->xCurrentTime(disk->base, now);
}

struct sl_forgetful *sl_forgetful_new(void)
{
    struct sl_forgetful *disk = need(calloc(1, sizeof(*disk)));
    int size = (int)sizeof(struct handle);

    disk->base = need(sqlite3_vfs_find(NULL));
    disk->random = 1;
    disk->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = disk->base->szOsFile > size ? disk->base->szOsFile : size,
        .mxPathname = NAME_SIZE - 16,
        .zName = "forgetful",
        .pAppData = disk,
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_name,
        .xRandomness = disk_randomness,
        .xSleep = disk_sleep,
        .xCurrentTime = disk_time,
    };
    if (pthread_mutex_init(&disk->lock, NULL) != 0 ||
        sqlite3_vfs_register(&disk->vfs, 1) != SQLITE_OK)
        abort();
    return disk;
}

void sl_forgetful_free(struct sl_forgetful *disk)
{
    sl_forgetful_clear(disk, 1);
    if (sqlite3_vfs_unregister(&disk->vfs) != SQLITE_OK)
        abort();
    (void)pthread_mutex_destroy(&disk->lock);
    free(disk);
}

void sl_forgetful_clear(struct sl_forgetful *disk, uint32_t seed)
{
    for (size_t i = 0; i < SL_FORGETFUL_FILES; i++)
        clear_file(&disk->files[i]);
    disk->random = seed;
    disk->off = false;
    disk->lies = false;
    disk->before = NULL;
    sl_forgetful_cut_at(disk, 0);
}

void sl_forgetful_cut_at(struct sl_forgetful *disk, int64_t operation)
{
    disk->operations = 0;
    disk->cut_at = operation;
}

bool sl_forgetful_is_off(const struct sl_forgetful *disk)
{
    return disk->off;
}

void sl_forgetful_power_on(struct sl_forgetful *disk)
{
    for (size_t i = 0; disk->off && i < SL_FORGETFUL_FILES; i++)
        forget_some(disk, &disk->files[i]);
    disk->off = false;
    disk->cut_at = 0;
}

void sl_forgetful_lie(struct sl_forgetful *disk, bool lies)
{
    disk->lies = lies;
}

void sl_forgetful_before(struct sl_forgetful *disk, sl_forgetful_hook *hook, void *ctx)
{
    disk->before = hook;
    disk->ctx = ctx;
}
