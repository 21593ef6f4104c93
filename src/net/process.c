/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c -- see process.h.
 */
#include "net/process.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/loop_item.h"

enum { REST_SIZE = 4096 };

struct sl_process {
    struct sl_loop_item item;
    uv_process_t child;
    uv_pipe_t out;
    struct sl_timer *deadline; /* null once the owner was told */
    bool exited;
    bool output_ended;
    int exit_code;
    sl_process_fn *ended;
    void *ctx;
    size_t len;
    char output[SL_PROCESS_OUTPUT_MAX];
    char rest[REST_SIZE]; /* where what is dropped is read to */
};

/*
 * The shell leads a group of its own number. The number can't be given to another process while
 * anybody of the group is left; where nobody is, this finds no group.
 */
static void kill_group(const struct sl_process *process)
{
    (void)kill(-process->child.pid, SIGKILL);
}

/* Ends what the owner sees. The child itself stays until it is reaped, or it would be a zombie. */
static void release(struct sl_process *process)
{
    sl_timer_close(process->deadline);
    process->deadline = NULL;
    sl_loop_item_close_handle(&process->item, (uv_handle_t *)&process->out);
    if (process->exited) {
        sl_loop_item_close_handle(&process->item, (uv_handle_t *)&process->child);
        sl_loop_item_drop(&process->item);
    } else {
        uv_unref((uv_handle_t *)&process->child);
    }
}

static void finish(struct sl_process *process, enum sl_status status, int exit_code)
{
    struct sl_bytes output = {process->output, process->len};
    release(process); /* the memory stays until the loop comes round */
    process->ended(process->ctx, status, exit_code, output);
}

static void finish_if_over(struct sl_process *process)
{
    if (process->exited && process->output_ended)
        finish(process, process->exit_code == 0 ? SL_OK : SL_IO, process->exit_code);
}

static void deadline_passed(void *ctx)
{
    struct sl_process *process = ctx;
    kill_group(process);
    finish(process, SL_TIMEOUT, -1);
}

static void child_exited(uv_process_t *child, int64_t exit_status, int term_signal)
{
    struct sl_process *process = child->data;
    process->exited = true;
    process->exit_code = term_signal != 0 ? 128 + term_signal : (int)exit_status;
    if (process->deadline != NULL) {
        finish_if_over(process);
        return;
    }
    sl_loop_item_close_handle(&process->item, (uv_handle_t *)child);
    sl_loop_item_drop(&process->item);
}

static void give_room(uv_handle_t *out, size_t suggested, uv_buf_t *room)
{
    (void)suggested;
    struct sl_process *process = out->data;
    size_t left = sizeof process->output - process->len;
    *room = left > 0 ? uv_buf_init(process->output + process->len, (unsigned)left)
                     : uv_buf_init(process->rest, sizeof process->rest);
}

static void output_came(uv_stream_t *out, ssize_t got, const uv_buf_t *room)
{
    struct sl_process *process = out->data;
    if (got < 0) {
        (void)uv_read_stop(out);
        process->output_ended = true;
        finish_if_over(process);
    } else if (room->base != process->rest) {
        process->len += (size_t)got;
    }
}

/*
 * A plain pipe: what libuv makes by itself is a socket, and a command can't open /dev/stdout on
 * one. The reading end is set up in `process`; `*child_end` is the caller's.
 */
static int open_pipe(struct sl_loop *loop, struct sl_process *process, uv_file *child_end)
{
    uv_file ends[2];
    int error = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);
    if (error != 0)
        return error;
    (void)uv_pipe_init(sl_loop_uv(loop), &process->out, 0);
    sl_loop_item_add_handle(&process->item, (uv_handle_t *)&process->out);
    error = uv_pipe_open(&process->out, ends[0]);
    if (error != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return error;
    }
    *child_end = ends[1];
    return uv_read_start((uv_stream_t *)&process->out, give_room, output_came);
}

static int spawn(struct sl_loop *loop, struct sl_process *process, const char *command,
                 uv_file child_end)
{
    /* libuv's type is older than const; execvp() doesn't write to them. */
    char *arguments[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = child_end},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    uv_process_options_t options = {
        .file = arguments[0],
        .args = arguments,
        .exit_cb = child_exited,
        .flags = UV_PROCESS_DETACHED, /* a session and process group of its own */
        .stdio = stdio,
        .stdio_count = 3,
    };
    int error = uv_spawn(sl_loop_uv(loop), &process->child, &options);
    (void)close(child_end);
    /* Also where it failed: libuv has initialised it then. */
    sl_loop_item_add_handle(&process->item, (uv_handle_t *)&process->child);
    return error;
}

static void process_item_close(void *item)
{
    struct sl_process *process = item;
    if (process->deadline != NULL) {
        sl_process_cancel(process);
        if (process->exited)
            return; /* cancelling was all */
    }
    /* Reaped if it is quick; waiting for a child that hangs in the kernel would hang us too. */
    if (waitpid(process->child.pid, NULL, WNOHANG) == 0)
        kill_group(process);
    sl_loop_item_close_handle(&process->item, (uv_handle_t *)&process->child);
    sl_loop_item_drop(&process->item);
}

static enum sl_status start_failed(struct sl_process *process, int error)
{
    sl_timer_close(process->deadline);
    if (process->out.data != NULL)
        sl_loop_item_close_handle(&process->item, (uv_handle_t *)&process->out);
    if (process->child.data != NULL)
        sl_loop_item_close_handle(&process->item, (uv_handle_t *)&process->child);
    sl_loop_item_drop(&process->item);
    return sl_loop_status(error);
}

enum sl_status sl_process_start(struct sl_loop *loop, const char *command, int64_t deadline_ms,
                                sl_process_fn *ended, void *ctx, struct sl_process **process)
{
    struct sl_process *made = sl_loop_item_new(loop, sizeof *made, process_item_close);
    if (made == NULL)
        return SL_NOMEM;
    made->ended = ended;
    made->ctx = ctx;
    if (sl_timer_new(loop, deadline_passed, made, &made->deadline) != SL_OK)
        return start_failed(made, UV_ENOMEM);

    uv_file child_end = -1;
    int error = open_pipe(loop, made, &child_end);
    if (error != 0)
        return start_failed(made, error);
    error = spawn(loop, made, command, child_end);
    if (error != 0)
        return start_failed(made, error);

    sl_timer_start(made->deadline, deadline_ms);
    /* After the timer, so that sl_loop_free() finds the process first. */
    sl_loop_item_enlist(&made->item);
    *process = made;
    return SL_OK;
}

void sl_process_cancel(struct sl_process *process)
{
    if (process == NULL)
        return;
    kill_group(process);
    release(process);
}
