/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_replay.c -- runs a fuzzer's target over its corpus in builds without libFuzzer.
 *
 * Each argument is a folder; every regular file in it is one input. A folder without inputs is a
 * failure, because a replay of nothing would always pass.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The buffer has exactly the input's size, so that a read past its end is seen by a sanitizer. */
static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    int ok = file != NULL && data != NULL && fread(data, 1, size, file) == size;

    if (ok)
        (void)LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "can't read %s\n", path);
    free(data);
    if (file != NULL)
        fclose(file);
    return ok;
}

/*
 * Returns how many inputs were replayed, or -1 when the folder or one of its files can't be read.
 */
static long replay_folder(const char *folder)
{
    long count = 0;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        perror(folder);
        return -1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[4096];
        struct stat info;

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        if (!replay_file(path, (size_t)info.st_size)) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 1; i < argc; i++) {
        long count = replay_folder(argv[i]);

        if (count <= 0) {
            fprintf(stderr, "%s: no input replayed\n", argv[i]);
            return EXIT_FAILURE;
        }
        printf("%s: %ld inputs replayed\n", argv[i], count);
    }
    return EXIT_SUCCESS;
}
