/* LD_PRELOAD: writes down, in $JOURNAL, what a process has done to the files of $JOURNAL_FOLDER.

An entry is a line, and after that of a write its bytes:
C inode path    a file was made            W inode offset length    bytes were written
T inode length  it was cut or extended     S inode                  it was synced
R path path     it was renamed             L path path              it got another name
U path          a name was removed         D path                   a folder was synced
M text          access("/mark/text") was called
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MOST_FILES 4096

static int journal = -1;
static const char *folder;
static char tracked[MOST_FILES]; /* by descriptor: 0, 'f' a file, 'd' a folder */
static char names[MOST_FILES][PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("JOURNAL");
    folder = getenv("JOURNAL_FOLDER");
    if (path && folder)
        journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void note(const void *data, size_t length, const char *format, ...) {
    char line[3 * PATH_MAX];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    struct iovec parts[] = {{line, size}, {(void *)data, length}};
    if (syscall(SYS_writev, journal, parts, data ? 2 : 1) < 0)
        abort();
}

/* The whole path of a name in the folder, or nothing. */
static const char *inside(const char *path, char *room) {
    if (journal < 0)
        return NULL;
    if (path[0] == '/')
        snprintf(room, PATH_MAX, "%s", path);
    else if (getcwd(room, PATH_MAX))
        snprintf(room + strlen(room), PATH_MAX - strlen(room), "/%s", path);
    size_t length = strlen(folder);
    return strncmp(room, folder, length) || (room[length] && room[length] != '/') ? NULL : room;
}

static unsigned long inode(int number) {
    struct stat status;
    return fstat(number, &status) ? 0 : status.st_ino;
}

static int opened(const char *path, int flags, int mode) {
    char room[PATH_MAX];
    const char *whole = inside(path, room);
    int was = whole ? !REAL(access)(path, F_OK) : 0;
    int number = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (number < 0 || number >= MOST_FILES)
        return number;
    tracked[number] = 0;
    if (whole) {
        struct stat status;
        fstat(number, &status);
        tracked[number] = S_ISDIR(status.st_mode) ? 'd' : 'f';
        snprintf(names[number], PATH_MAX, "%s", whole);
        if (!was && flags & O_CREAT)
            note(NULL, 0, "C %lu %s\n", status.st_ino, whole);
        else if (flags & O_TRUNC)
            note(NULL, 0, "T %lu 0\n", status.st_ino);
    }
    return number;
}

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list values;                                   \
        va_start(values, flags);                          \
        int mode = va_arg(values, int);                   \
        va_end(values);                                   \
        return opened(path, flags, mode);                 \
    }
OPEN(open)
OPEN(open64)

int close(int number) {
    if (number >= 0 && number < MOST_FILES)
        tracked[number] = 0;
    return syscall(SYS_close, number);
}

ssize_t write(int number, const void *data, size_t length) {
    int is_ours = number >= 0 && number < MOST_FILES && tracked[number] == 'f';
    long offset = is_ours ? lseek(number, 0, SEEK_CUR) : 0;
    ssize_t done = syscall(SYS_write, number, data, length);
    if (is_ours && done > 0)
        note(data, done, "W %lu %ld %zd\n", inode(number), offset, done);
    return done;
}

#define TRUNCATE(name, type)                                                      \
    int name(int number, type length) {                                           \
        int failed = syscall(SYS_ftruncate, number, length);                      \
        if (!failed && number < MOST_FILES && tracked[number] == 'f')             \
            note(NULL, 0, "T %lu %ld\n", inode(number), (long)length);            \
        return failed;                                                            \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name, call)                                                          \
    int name(int number) {                                                        \
        int failed = syscall(call, number);                                       \
        if (!failed && number < MOST_FILES && tracked[number] == 'f')             \
            note(NULL, 0, "S %lu\n", inode(number));                              \
        if (!failed && number < MOST_FILES && tracked[number] == 'd')             \
            note(NULL, 0, "D %s\n", names[number]);                               \
        return failed;                                                            \
    }
SYNC(fsync, SYS_fsync)
SYNC(fdatasync, SYS_fdatasync)

static int moved(char kind, int failed, const char *from, const char *to) {
    char first[PATH_MAX], second[PATH_MAX];
    if (!failed && inside(from, first) && inside(to, second))
        note(NULL, 0, "%c %s %s\n", kind, first, second);
    return failed;
}

int rename(const char *from, const char *to) {
    return moved('R', syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), from, to);
}

int link(const char *from, const char *to) {
    return moved('L', syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), from, to);
}

int linkat(int one, const char *from, int other, const char *to, int flags) {
    return moved('L', syscall(SYS_linkat, one, from, other, to, flags), from, to);
}

int unlink(const char *path) {
    char room[PATH_MAX];
    int failed = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!failed && inside(path, room))
        note(NULL, 0, "U %s\n", room);
    return failed;
}

int access(const char *path, int mode) {
    if (journal >= 0 && !strncmp(path, "/mark/", 6))
        note(NULL, 0, "M %s\n", path + 6);
    return syscall(SYS_faccessat, AT_FDCWD, path, mode, 0);
}
