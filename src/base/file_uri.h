/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_uri.h -- a file's path as a `file:` URI, which is how SQLite is asked for a database that
 * nobody has open, so that it makes no files beside it.
 *
 * Threads  Pure function.
 */
#ifndef SL_BASE_FILE_URI_H
#define SL_BASE_FILE_URI_H

/*
 * `file:` + path + `?` + query, with everything in `path` that would mean something in a URI
 * escaped. The caller frees it; null where there is no memory.
 */
char *sl_file_uri(const char *path, const char *query);

#endif
