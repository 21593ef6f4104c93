/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c -- see sample.h. */
#include "client/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "client/number.h"

enum sl_status sl_sample_read_file(const char *path, char bytes[static SL_SAMPLE_FILE_SIZE],
                                   size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd >= 0 ? read(fd, bytes, SL_SAMPLE_FILE_SIZE) : -1;
    int code = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = code;
    if (got < 0)
        return SL_IO;
    *len = (size_t)got;
    return SL_OK;
}

enum sl_status sl_sample_print(const struct sl_spec *spec, struct sl_bytes output,
                               char text[static SL_SAMPLE_TEXT_SIZE], size_t *len, const char **why)
{
    struct sl_bytes number;
    char scaled[SL_VALUE_SIZE];

    *why = output.len > 0 ? "there is no number in what it says" : "it says nothing";
    if (!sl_number_find(output, &number))
        return SL_BAD_INPUT;
    if (spec->scale.len > 0) {
        size_t scaled_len = 0;

        *why = "the scaled number is too large";
        if (sl_number_scale(number, spec->scale, scaled, &scaled_len) != SL_OK)
            return SL_BAD_INPUT;
        number = (struct sl_bytes){scaled, scaled_len};
    }
    int printed = snprintf(text, SL_SAMPLE_TEXT_SIZE, "%.*s: %.*s%s%.*s", (int)spec->name.len,
                           spec->name.at, (int)number.len, number.at, spec->unit.len > 0 ? " " : "",
                           (int)spec->unit.len, spec->unit.len > 0 ? spec->unit.at : "");
    *why = "the number is too long";
    if (printed < 0 || printed >= SL_SAMPLE_TEXT_SIZE)
        return SL_BAD_INPUT;
    *len = (size_t)printed;
    return SL_OK;
}
