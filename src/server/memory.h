/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h -- how the process takes memory from the system, where thousands of sensors are idle.
 *
 * The TLS library gives each session two buffers of 16.7 KB, of which short records touch the first
 * page only. glibc's malloc() lays them between other things into memory that was used and cleared
 * before, so that all of it is resident. A buffer that is a mapping of its own has only those pages
 * that were used: 8 KB of 33.
 *
 * Whoever comes and goes pays for that: two system calls a buffer, and the library clears it at the
 * end, for which each page has to be there. So SL_MEMORY_KEPT bytes are malloc()'s from the
 * beginning, and the first buffers lie there: a server of few sensors maps none. Where many stay,
 * the others are mapped. After thousands have left at once malloc() may give that room back too.
 *
 * The kernel allows a process 65,530 mappings by default, which is why there is a limit below. What
 * is beyond lies where it always did, and is just larger.
 *
 * Threads  Before the first thread starts. Other C libraries have no such choice, and nothing is
 *          done for them.
 */
#ifndef SL_SERVER_MEMORY_H
#define SL_SERVER_MEMORY_H

enum { SL_MEMORY_KEPT = 1536 * 1024 }; /* 44 sessions' buffers; not resident before it is used */

void sl_memory_prepare(void);

#endif
