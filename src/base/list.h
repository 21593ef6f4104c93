/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h -- lists whose members leave at any time, whichever list they are on, without a search.
 *
 * A list is a pointer to its first member, null where it's empty. New members come first.
 *
 * Memory   Members are the callers'; one that is all zero is on no list.
 * Threads  One at a time for a list and its members.
 */
#ifndef SL_BASE_LIST_H
#define SL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sl_listed {
    struct sl_listed *next;
    struct sl_listed **place; /* what points here; null: on no list */
    void *owner;
};

static inline bool sl_listed(const struct sl_listed *member)
{
    return member->place != NULL;
}

/* Puts it on the list; it must be on none. */
static inline void sl_list_put(struct sl_listed **list, struct sl_listed *member, void *owner)
{
    member->owner = owner;
    member->next = *list;
    member->place = list;
    if (member->next != NULL)
        member->next->place = &member->next;
    *list = member;
}

/* Takes it off its list; nothing happens where it's on none. */
static inline void sl_list_leave(struct sl_listed *member)
{
    if (member->place == NULL)
        return;
    *member->place = member->next;
    if (member->next != NULL)
        member->next->place = member->place;
    member->place = NULL;
}

/* Takes the first member off; its owner, or null where the list is empty. */
static inline void *sl_list_take(struct sl_listed **list)
{
    struct sl_listed *first = *list;

    if (first == NULL)
        return NULL;
    sl_list_leave(first);
    return first->owner;
}

/* All members change to `to`, which must be empty. */
static inline void sl_list_move(struct sl_listed **list, struct sl_listed **to)
{
    *to = *list;
    *list = NULL;
    if (*to != NULL)
        (*to)->place = to;
}

#endif
