/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c -- a spool in memory: a ring of readings, lost with the program.
 *
 * Numbers first..first+count-1 are in the ring, number n in slot (n - 1) % capacity. What was
 * appended but not committed lies behind `last` and is there for commit only.
 */
#include <stdlib.h>
#include <string.h>

#include "sensorlink/spool.h"
#include "spool/stream.h"

enum { CAPACITY_MAX = 1000000 };

struct slot {
    int64_t time_us;
    size_t len;
    char *text;
};

struct memory {
    struct sl_spool spool; /* first: the two are the same address */
    struct sl_spool_state state;
    int64_t next; /* the number that the next append gives */
    int64_t capacity;
    const char *error;
    struct slot *slots;
};

static struct slot *slot_of(const struct memory *memory, int64_t seq)
{
    return &memory->slots[(seq - 1) % memory->capacity];
}

static void memory_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    *state = ((const struct memory *)spool)->state;
}

static enum sl_status memory_append(struct sl_spool *spool, int64_t time_us, const char *text,
                                    size_t len, int64_t *seq)
{
    struct memory *memory = (struct memory *)spool;

    if (len > SL_SPOOL_TEXT_MAX) {
        memory->error = "the reading's text is too long";
        return SL_BAD_INPUT;
    }
    if (memory->next - memory->state.first >= memory->capacity) {
        memory->error = "the spool in memory is full";
        return SL_LIMIT;
    }
    char *copy = malloc(len + 1);
    if (!copy) {
        memory->error = "out of memory";
        return SL_NOMEM;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    *slot_of(memory, memory->next) = (struct slot){.time_us = time_us, .len = len, .text = copy};
    *seq = memory->next++;
    return SL_OK;
}

static enum sl_status memory_commit(struct sl_spool *spool)
{
    struct memory *memory = (struct memory *)spool;
    memory->state.last = memory->next - 1;
    return SL_OK;
}

static enum sl_status memory_read(struct sl_spool *spool, int64_t seq,
                                  int (*each)(void *ctx, const struct sl_spool_item *item),
                                  void *ctx)
{
    const struct memory *memory = (const struct memory *)spool;

    if (seq < memory->state.first)
        seq = memory->state.first;
    for (; seq <= memory->state.last; seq++) {
        const struct slot *slot = slot_of(memory, seq);
        struct sl_spool_item item = {
            .seq = seq, .time_us = slot->time_us, .len = slot->len, .text = slot->text};
        if (each(ctx, &item))
            break;
    }
    return SL_OK;
}

static enum sl_status memory_forget(struct sl_spool *spool, int64_t seq)
{
    struct memory *memory = (struct memory *)spool;

    for (; memory->state.first <= seq && memory->state.first <= memory->state.last;
         memory->state.first++) {
        struct slot *slot = slot_of(memory, memory->state.first);
        free(slot->text);
        slot->text = NULL;
    }
    return SL_OK;
}

static const char *memory_error(const struct sl_spool *spool)
{
    return ((const struct memory *)spool)->error;
}

static void memory_close(struct sl_spool *spool)
{
    struct memory *memory = (struct memory *)spool;

    for (int64_t seq = memory->state.first; seq < memory->next; seq++)
        free(slot_of(memory, seq)->text);
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
};

enum sl_status sl_spool_open_memory(size_t capacity, struct sl_spool **spool)
{
    if (capacity < 1 || capacity > CAPACITY_MAX)
        return SL_BAD_INPUT;

    struct memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return SL_NOMEM;
    memory->slots = calloc(capacity, sizeof(*memory->slots));
    if (!memory->slots) {
        free(memory);
        return SL_NOMEM;
    }
    memory->spool.functions = &memory_functions;
    memory->state.first = 1;
    memory->next = 1;
    memory->capacity = (int64_t)capacity;
    memory->error = "nothing failed";
    enum sl_status status = sl_spool_stream_make(memory->state.stream);
    if (status != SL_OK) {
        memory_close(&memory->spool);
        return status;
    }
    *spool = &memory->spool;
    return SL_OK;
}
