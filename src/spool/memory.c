/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c -- a spool in memory: a ring of readings and gaps, lost with the program.
 *
 * `used` slots from `head` on hold the numbers first..next-1 in order. What was appended but not
 * committed lies behind `last` and is there for commit only; a commit can't fail.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensorlink/spool.h"
#include "spool/stream.h"

enum {
    CAPACITY_MAX = 1000000,
    GAPS_MAX = 64 /* slots for gaps; where they are full, gaps become one whatever their reasons */
};

struct slot {
    int64_t seq;
    int64_t last; /* of a gap; 0 of a reading */
    int64_t time_us;
    size_t len;
    char *text; /* of a gap the reason */
};

struct memory {
    struct sl_spool spool; /* first: the two are the same address */
    struct sl_spool_state state;
    int64_t next;    /* the number that the next append gives */
    size_t capacity; /* readings */
    size_t slot_count;
    size_t head;
    size_t used;
    const char *error;
    char denied[SL_SPOOL_SENSOR_SIZE + 32];
    struct slot *slots;
};

/* The slot at `place` of those in use. */
static struct slot *slot_at(const struct memory *memory, size_t place)
{
    return &memory->slots[(memory->head + place) % memory->slot_count];
}

static size_t gaps_of(const struct memory *memory)
{
    return memory->used - (size_t)memory->state.readings;
}

static void memory_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    *state = ((const struct memory *)spool)->state;
}

static enum sl_status failed(struct memory *memory, enum sl_status status, const char *why)
{
    memory->error = why;
    return status;
}

/* With room for a reason, so that giving a reading up needs no memory and can't fail. */
static char *copy_text(const char *text, size_t len)
{
    char *copy = malloc((len > SL_SPOOL_REASON_MAX ? len : SL_SPOOL_REASON_MAX) + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

static enum sl_status memory_append(struct sl_spool *spool, int64_t time_us, const char *text,
                                    size_t len, int64_t *seq)
{
    struct memory *memory = (struct memory *)spool;

    if (len > SL_SPOOL_TEXT_MAX)
        return failed(memory, SL_BAD_INPUT, "the reading's text is too long");
    if ((size_t)memory->state.readings >= memory->capacity)
        return failed(memory, SL_LIMIT, "the spool in memory is full");
    char *copy = copy_text(text, len);
    if (!copy)
        return failed(memory, SL_NOMEM, "out of memory");
    *slot_at(memory, memory->used++) =
        (struct slot){.seq = memory->next, .time_us = time_us, .len = len, .text = copy};
    memory->state.readings++;
    *seq = memory->next++;
    return SL_OK;
}

static enum sl_status memory_commit(struct sl_spool *spool)
{
    struct memory *memory = (struct memory *)spool;
    memory->state.last = memory->next - 1;
    return SL_OK;
}

static int64_t last_of(const struct slot *slot)
{
    return slot->last > 0 ? slot->last : slot->seq;
}

static enum sl_status memory_read(struct sl_spool *spool, int64_t seq,
                                  int (*each)(void *ctx, const struct sl_spool_item *item),
                                  void *ctx)
{
    const struct memory *memory = (const struct memory *)spool;

    for (size_t place = 0; place < memory->used; place++) {
        const struct slot *slot = slot_at(memory, place);
        bool gap = slot->last > 0;
        struct sl_spool_item item = {.seq = slot->seq < seq ? seq : slot->seq,
                                     .last = slot->last,
                                     .time_us = slot->time_us,
                                     .len = gap ? 0 : slot->len,
                                     .text = gap ? NULL : slot->text,
                                     .reason = gap ? slot->text : NULL};
        if (last_of(slot) < seq)
            continue;
        if (item.seq > memory->state.last)
            break;
        if (item.last > memory->state.last)
            item.last = memory->state.last; /* the rest isn't committed yet */
        if (each(ctx, &item))
            break;
    }
    return SL_OK;
}

/* Frees the first slot in use. */
static void pop(struct memory *memory)
{
    struct slot *slot = slot_at(memory, 0);
    memory->state.readings -= slot->last == 0;
    free(slot->text);
    *slot = (struct slot){0};
    memory->head = (memory->head + 1) % memory->slot_count;
    memory->used--;
}

static enum sl_status memory_forget(struct sl_spool *spool, int64_t seq)
{
    struct memory *memory = (struct memory *)spool;

    if (seq > memory->state.last)
        seq = memory->state.last;
    if (seq < memory->state.first)
        return SL_OK;
    while (memory->used > 0 && last_of(slot_at(memory, 0)) <= seq)
        pop(memory);
    if (memory->used > 0 && slot_at(memory, 0)->seq <= seq)
        slot_at(memory, 0)->seq = seq + 1; /* the rest of a gap */
    memory->state.first = seq + 1;
    return SL_OK;
}

/* True where two slots that follow each other can be one gap. */
static bool joins(const struct slot *slot, const struct slot *later, bool crowded)
{
    return slot->last > 0 && later->last > 0 && (crowded || strcmp(slot->text, later->text) == 0);
}

/*
 * Makes the gaps in the first `count` slots one where they can be; there is nothing else in them.
 */
static void join_gaps(struct memory *memory, size_t count, bool crowded)
{
    size_t to = count;

    /* From the end on, towards which they move; the head then moves up to the first of them. */
    for (size_t place = count; place-- > 0;) {
        struct slot moved = *slot_at(memory, place);
        *slot_at(memory, place) = (struct slot){0};
        if (to < count && joins(&moved, slot_at(memory, to), crowded)) {
            slot_at(memory, to)->seq = moved.seq;
            free(moved.text);
        } else {
            *slot_at(memory, --to) = moved;
        }
    }
    memory->head = (memory->head + to) % memory->slot_count;
    memory->used -= to;
}

static enum sl_status memory_drop(struct sl_spool *spool, int64_t count, const char *reason,
                                  int64_t *last)
{
    struct memory *memory = (struct memory *)spool;
    bool crowded = gaps_of(memory) >= GAPS_MAX;
    size_t place = 0;

    if (strlen(reason) > SL_SPOOL_REASON_MAX)
        return failed(memory, SL_BAD_INPUT, "that gap can't be");
    for (; place < memory->used && count > 0; place++) {
        struct slot *slot = slot_at(memory, place);
        if (slot->last > 0)
            continue;
        slot->last = slot->seq;
        memcpy(slot->text, reason, strlen(reason) + 1); /* copy_text() left room */
        memory->state.readings--;
        *last = slot->seq;
        count--;
    }
    join_gaps(memory, place, crowded);
    return SL_OK;
}

static enum sl_status memory_omit(struct sl_spool *spool, int64_t count, const char *reason)
{
    struct memory *memory = (struct memory *)spool;
    struct slot gap = {.seq = memory->next, .time_us = INT64_MIN};

    if (count < 1 || count > INT64_MAX - 1 - memory->next || strlen(reason) > SL_SPOOL_REASON_MAX)
        return failed(memory, SL_BAD_INPUT, "that gap can't be");
    gap.last = memory->next + count - 1;
    gap.text = copy_text(reason, strlen(reason));
    if (!gap.text)
        return failed(memory, SL_NOMEM, "out of memory");
    struct slot *newest = memory->used > 0 ? slot_at(memory, memory->used - 1) : NULL;
    if (newest && joins(newest, &gap, false)) {
        newest->last = gap.last;
        free(gap.text);
    } else if (gaps_of(memory) >= GAPS_MAX) {
        free(gap.text);
        return failed(memory, SL_LIMIT, "the spool in memory has too many gaps");
    } else {
        *slot_at(memory, memory->used++) = gap;
    }
    memory->next = gap.last + 1;
    return SL_OK;
}

static enum sl_status memory_belong(struct sl_spool *spool, const char *sensor)
{
    struct memory *memory = (struct memory *)spool;
    size_t len = strlen(sensor);

    if (memory->state.sensor[0] != '\0') {
        if (strcmp(memory->state.sensor, sensor) == 0)
            return SL_OK;
        (void)snprintf(memory->denied, sizeof(memory->denied), "this spool belongs to %s",
                       memory->state.sensor);
        return failed(memory, SL_DENIED, memory->denied);
    }
    if (len == 0 || len >= sizeof(memory->state.sensor))
        return failed(memory, SL_BAD_INPUT, "that is no sensor's name");
    memcpy(memory->state.sensor, sensor, len + 1);
    return SL_OK;
}

static const char *memory_error(const struct sl_spool *spool)
{
    return ((const struct memory *)spool)->error;
}

static void memory_close(struct sl_spool *spool)
{
    struct memory *memory = (struct memory *)spool;

    while (memory->used > 0)
        pop(memory);
    free(memory->slots);
    free(memory);
}

static const struct sl_spool_functions memory_functions = {
    .state = memory_state,
    .append = memory_append,
    .commit = memory_commit,
    .read = memory_read,
    .forget = memory_forget,
    .error = memory_error,
    .close = memory_close,
    .drop = memory_drop,
    .omit = memory_omit,
    .belong = memory_belong,
};

enum sl_status sl_spool_open_memory(size_t capacity, struct sl_spool **spool)
{
    if (capacity < 1 || capacity > CAPACITY_MAX)
        return SL_BAD_INPUT;

    struct memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return SL_NOMEM;
    memory->capacity = capacity;
    memory->slot_count = capacity + 2 * GAPS_MAX;
    memory->slots = calloc(memory->slot_count, sizeof(*memory->slots));
    if (!memory->slots) {
        free(memory);
        return SL_NOMEM;
    }
    memory->spool.functions = &memory_functions;
    memory->state.first = 1;
    memory->next = 1;
    memory->error = "nothing failed";
    enum sl_status status = sl_spool_stream_make(memory->state.stream);
    if (status != SL_OK) {
        memory_close(&memory->spool);
        return status;
    }
    *spool = &memory->spool;
    return SL_OK;
}
