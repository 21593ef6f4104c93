/* SPDX-License-Identifier: Apache-2.0 */
/* file_uri.c -- see file_uri.h. */
#include "base/file_uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *sl_file_uri(const char *path, const char *query)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    /* `./` before it, because `//` would begin the name of a host. */
    const char *before = path[0] == '/' ? "" : "./";
    size_t size = strlen("file:") + strlen(before) + 3 * strlen(path) + strlen(query) + 2;
    char *uri = malloc(size);
    size_t used;

    if (uri == NULL)
        return NULL;
    while (path[0] == '/' && path[1] == '/')
        path++;
    used = (size_t)snprintf(uri, size, "file:%s", before);
    for (; *path != '\0'; path++)
        used += (size_t)(strchr(plain, *path) != NULL
                             ? snprintf(uri + used, size - used, "%c", *path)
                             : snprintf(uri + used, size - used, "%%%02x", (unsigned char)*path));
    (void)snprintf(uri + used, size - used, "?%s", query);
    return uri;
}
