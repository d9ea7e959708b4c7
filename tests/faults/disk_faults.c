/* Breaks the journal's disk on purpose. Loaded before libc (LD_PRELOAD) into a process under test.
 *
 * The file named by DISK_FAULTS says what to break, and is read at each call, so that a test can change it:
 *   write    positioned writes fail with ENOSPC after half of their bytes
 *   full     as write, but each journal file that is deleted makes room for three writes
 *   sync     fdatasync fails with EIO
 *   anything else: nothing
 * Only files whose path ends in .wal are touched: the database's disk stays whole.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fault_is(const char *name) {
    const char *path = getenv("DISK_FAULTS");
    char text[16] = {0};
    if (!path) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    return length > 0 && strncmp(text, name, strlen(name)) == 0;
}

static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 4 && memcmp(path + length - 4, ".wal", 4) == 0;
}

static int room;

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    size_t length = strlen(path);
    int result = real(path);
    if (result == 0 && length > 4 && memcmp(path + length - 4, ".wal", 4) == 0) __sync_fetch_and_add(&room, 3);
    return result;
}

/* Whether there is room for one more write. */
static int takes_room(void) {
    int left = room;
    while (left > 0) {
        int seen = __sync_val_compare_and_swap(&room, left, left - 1);
        if (seen == left) return 1;
        left = seen;
    }
    return 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (is_journal(fd) && (fault_is("write") || (fault_is("full") && !takes_room()))) {
        if (count > 1) return real(fd, bytes, count / 2, offset);
        errno = ENOSPC;
        return -1;
    }
    return real(fd, bytes, count, offset);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (is_journal(fd) && fault_is("sync")) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
