#include "file/memory.h"

#include "base/writer.h"
#include "file/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct content {
    uint8_t *data;
    size_t size;
    size_t capacity;
} content;

typedef struct inode {
    content now;     /* what reads see */
    content durable; /* what a power cut leaves */
    int64_t reserved_end;
    int64_t references; /* names and open files */
    uint64_t identity;
    int64_t modified_ns; /* of a directory: how often its names changed */
    bool is_directory;
} inode;

typedef struct entry {
    struct entry *next;
    char *path;
    inode *now;     /* NULL: no such name now */
    inode *durable; /* NULL: none after a power cut */
    uint64_t move;  /* names that an unsynced rename changed together; 0: none did */
} entry;

typedef struct memory_files {
    mg_files base;
    pthread_mutex_t lock;
    entry *entries;
    int64_t operations;
    uint64_t inodes; /* made so far */
    uint64_t moves;  /* names renamed so far */
    int64_t open_files;
    int64_t capacity;
    bool cold;
    mg_memory_fault fault;
    int64_t fault_at; /* by the count of operations */
    int fault_os_error;
} memory_files;

typedef struct memory_file {
    mg_file base;
    memory_files *files;
    inode *node;
    bool can_write;
} memory_file;

static memory_files *as_memory(mg_files *files)
{
    return (memory_files *)(void *)files;
}

static memory_file *as_file(mg_file *file)
{
    return (memory_file *)(void *)file;
}

static void lock(memory_files *files)
{
    (void)pthread_mutex_lock(&files->lock);
}

static void unlock(memory_files *files)
{
    (void)pthread_mutex_unlock(&files->lock);
}

static mg_status fail(mg_error *error, int os_error, const char *what, const char *path)
{
    mg_status status = MG_IO;
    if (os_error == ENOENT) status = MG_NOT_FOUND;
    if (os_error == ENOSPC) status = MG_NO_SPACE;
    if (os_error == EEXIST) status = MG_BUSY;
    if (os_error == ENOMEM) status = MG_NO_MEMORY;
    return mg_fail(error, status, os_error, "%s %.120s: %s", what, path, strerror(os_error));
}

/* Counts one operation; true where it must fail. Called locked. */
static bool is_faulty(memory_files *files)
{
    int64_t operation = files->operations++;
    if (files->fault == MG_MEMORY_FAULT_STOP) return operation >= files->fault_at;
    return files->fault == MG_MEMORY_FAULT_ONCE && operation == files->fault_at;
}

/* ---- Contents ---- */

static bool grow_content(content *bytes, size_t size)
{
    if (size <= bytes->capacity) return true;
    size_t capacity = bytes->capacity == 0 ? 256 : bytes->capacity;
    while (capacity < size)
        capacity *= 2;
    uint8_t *data = realloc(bytes->data, capacity);
    if (data == NULL) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

static bool set_size(content *bytes, size_t size)
{
    if (!grow_content(bytes, size)) return false;
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
    return true;
}

static void put(content *bytes, size_t at, const uint8_t *from, size_t size)
{
    MG_ASSERT(at + size <= bytes->size);
    if (size == 0) return;
    mg_writer writer = mg_writer_over(bytes->data + at, size);
    mg_write_bytes(&writer, from, size);
}

static bool copy(content *to, const content *from)
{
    to->size = 0;
    if (!set_size(to, from->size)) return false;
    put(to, 0, from->data, from->size);
    return true;
}

/* ---- Names ---- */

static void release_inode(inode *node)
{
    if (node == NULL || --node->references > 0) return;
    free(node->now.data);
    free(node->durable.data);
    free(node);
}

static void set_link(inode **link, inode *node)
{
    if (node != NULL) node->references++;
    release_inode(*link);
    *link = node;
}

static entry *find(memory_files *files, const char *path)
{
    for (entry *e = files->entries; e != NULL; e = e->next) {
        if (strcmp(e->path, path) == 0) return e;
    }
    return NULL;
}

static inode *add_inode(memory_files *files)
{
    inode *node = calloc(1, sizeof *node);
    if (node != NULL) node->identity = ++files->inodes;
    return node;
}

static entry *find_or_add(memory_files *files, const char *path)
{
    entry *found = find(files, path);
    if (found != NULL) return found;
    found = calloc(1, sizeof *found);
    if (found == NULL) return NULL;
    found->path = strdup(path);
    if (found->path == NULL) {
        free(found);
        return NULL;
    }
    found->next = files->entries;
    files->entries = found;
    return found;
}

/* The name inside the directory, or NULL when the path lies elsewhere. */
static const char *name_within(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    if (strncmp(path, directory, size) != 0 || path[size] != '/') return NULL;
    const char *name = path + size + 1;
    return strchr(name, '/') == NULL ? name : NULL;
}

static void touch_directory_of(memory_files *files, const char *path)
{
    for (entry *e = files->entries; e != NULL; e = e->next) {
        if (e->now != NULL && name_within(e->path, path) != NULL) e->now->modified_ns++;
    }
}

/* ---- The table ---- */

static void close_files(mg_files *base)
{
    memory_files *files = as_memory(base);
    MG_ASSERT(files->open_files == 0);
    while (files->entries != NULL) {
        entry *e = files->entries;
        files->entries = e->next;
        release_inode(e->now);
        release_inode(e->durable);
        free(e->path);
        free(e);
    }
    (void)pthread_mutex_destroy(&files->lock);
    free(files);
}

static int open_inode(memory_files *files, const char *path, unsigned flags, inode **node)
{
    if (is_faulty(files)) return files->fault_os_error;
    entry *e = find(files, path);
    bool exists = e != NULL && e->now != NULL;
    if (exists && (flags & MG_FILE_EXCLUSIVE) != 0) return EEXIST;
    if (exists && e->now->is_directory) return EISDIR;
    if (!exists && (flags & MG_FILE_CREATE) == 0) return ENOENT;
    if (!exists) {
        e = find_or_add(files, path);
        inode *fresh = add_inode(files);
        if (e == NULL || fresh == NULL) {
            free(fresh);
            return ENOMEM;
        }
        set_link(&e->now, fresh);
        touch_directory_of(files, path);
    }
    if ((flags & MG_FILE_EMPTY) != 0) e->now->now.size = 0;
    *node = e->now;
    return 0;
}

static mg_status open_file(mg_files *base, const char *path, unsigned flags, mg_file **out,
                           mg_error *error)
{
    memory_files *files = as_memory(base);
    memory_file *file = calloc(1, sizeof *file);
    if (file == NULL) return fail(error, ENOMEM, "open", path);
    file->base.table = base->table;
    file->files = files;
    file->can_write = (flags & MG_FILE_WRITE) != 0;
    lock(files);
    int os_error = open_inode(files, path, flags, &file->node);
    if (os_error == 0) {
        file->node->references++;
        files->open_files++;
    }
    unlock(files);
    if (os_error != 0) {
        free(file);
        return fail(error, os_error, "open", path);
    }
    *out = &file->base;
    return MG_OK;
}

static void close_file(mg_file *base)
{
    memory_file *file = as_file(base);
    memory_files *files = file->files;
    lock(files);
    release_inode(file->node);
    files->open_files--;
    unlock(files);
    free(file);
}

static mg_status read_file(mg_file *base, int64_t position, void *out, size_t size, unsigned flags,
                           size_t *got, mg_error *error)
{
    memory_file *file = as_file(base);
    memory_files *files = file->files;
    lock(files);
    if ((flags & MG_FILE_NO_WAIT) != 0 && files->cold) {
        unlock(files);
        return MG_WOULD_BLOCK;
    }
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0) {
        const content *bytes = &file->node->now;
        size_t left = (size_t)position < bytes->size ? bytes->size - (size_t)position : 0;
        *got = size < left ? size : left;
        mg_writer writer = mg_writer_over(out, *got);
        if (*got > 0) mg_write_bytes(&writer, bytes->data + position, *got);
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "read", "");
}

static int64_t bytes_in_use(const memory_files *files)
{
    int64_t sum = 0;
    for (const entry *e = files->entries; e != NULL; e = e->next) {
        if (e->now == NULL) continue;
        int64_t size = (int64_t)e->now->now.size;
        sum += size > e->now->reserved_end ? size : e->now->reserved_end;
    }
    return sum;
}

static bool has_space(const memory_files *files, const inode *node, int64_t end)
{
    if (files->capacity == 0) return true;
    int64_t size = (int64_t)node->now.size;
    int64_t held = size > node->reserved_end ? size : node->reserved_end;
    return end <= held || bytes_in_use(files) + (end - held) <= files->capacity;
}

static int write_parts(memory_files *files, inode *node, size_t at, const struct iovec *parts,
                       size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    size_t allowed = size;
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0 && !has_space(files, node, (int64_t)(at + size))) os_error = ENOSPC;
    if (os_error != 0) allowed = size / 2;
    content *bytes = &node->now;
    if (at + allowed > bytes->size && !set_size(bytes, at + allowed)) return ENOMEM;
    for (size_t i = 0; i < count && allowed > 0; i++) {
        size_t part = parts[i].iov_len < allowed ? parts[i].iov_len : allowed;
        put(bytes, at, parts[i].iov_base, part);
        at += part;
        allowed -= part;
    }
    return os_error;
}

static mg_status write_file(mg_file *base, int64_t position, struct iovec *parts, size_t count,
                            mg_error *error)
{
    memory_file *file = as_file(base);
    MG_ASSERT(file->can_write);
    lock(file->files);
    int os_error = write_parts(file->files, file->node, (size_t)position, parts, count);
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "write", "");
}

static mg_status sync_file(mg_file *base, mg_error *error)
{
    memory_file *file = as_file(base);
    lock(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0 && !copy(&file->node->durable, &file->node->now)) os_error = ENOMEM;
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fdatasync", "");
}

static mg_status reserve(mg_file *base, int64_t position, int64_t size, mg_error *error)
{
    memory_file *file = as_file(base);
    MG_ASSERT(file->can_write);
    lock(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0 && !has_space(file->files, file->node, position + size)) os_error = ENOSPC;
    if (os_error == 0 && position + size > file->node->reserved_end) {
        file->node->reserved_end = position + size;
    }
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fallocate", "");
}

static mg_status truncate_file(mg_file *base, int64_t size, mg_error *error)
{
    memory_file *file = as_file(base);
    MG_ASSERT(file->can_write);
    lock(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0) {
        file->node->reserved_end = 0;
        if (!set_size(&file->node->now, (size_t)size)) os_error = ENOMEM;
    }
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "ftruncate", "");
}

static mg_status size_of(mg_file *base, int64_t *size, mg_error *error)
{
    memory_file *file = as_file(base);
    lock(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0) *size = (int64_t)file->node->now.size;
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fstat", "");
}

static int fd_of(const mg_file *file)
{
    (void)file;
    return -1;
}

static mg_status sync_directory(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    for (entry *e = files->entries; e != NULL && os_error == 0; e = e->next) {
        if (name_within(path, e->path) == NULL) continue;
        set_link(&e->durable, e->now);
        e->move = 0;
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fsync", path);
}

static bool add_directory(memory_files *files, entry *e)
{
    inode *fresh = add_inode(files);
    if (fresh == NULL) return false;
    fresh->is_directory = true;
    set_link(&e->now, fresh);
    return true;
}

static mg_status make_directory(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *e = os_error == 0 ? find_or_add(files, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now != NULL)) os_error = e == NULL ? ENOMEM : EEXIST;
    if (os_error == 0 && !add_directory(files, e)) os_error = ENOMEM;
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "mkdir", path);
}

static mg_status rename_file(mg_files *base, const char *from, const char *to, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *source = os_error == 0 ? find(files, from) : NULL;
    entry *target = NULL;
    if (os_error == 0 && (source == NULL || source->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        target = find_or_add(files, to);
        if (target == NULL) os_error = ENOMEM;
    }
    if (os_error == 0) {
        set_link(&target->now, source->now);
        set_link(&source->now, NULL);
        if (source->move == 0) source->move = ++files->moves;
        target->move = source->move;
        touch_directory_of(files, from);
        touch_directory_of(files, to);
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "rename", from);
}

static mg_status remove_file(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *e = os_error == 0 ? find(files, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        set_link(&e->now, NULL);
        touch_directory_of(files, path);
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "remove", path);
}

static bool add_name(char ***names, size_t *count, const char *name)
{
    char **longer = realloc(*names, (*count + 1) * sizeof *longer);
    if (longer == NULL) return false;
    *names = longer;
    longer[*count] = strdup(name);
    if (longer[*count] == NULL) return false;
    ++*count;
    return true;
}

/* The visitor may use the file system, so names are gathered first. */
static mg_status list_directory(mg_files *base, const char *path, mg_file_visitor visit,
                                void *context, mg_error *error)
{
    memory_files *files = as_memory(base);
    size_t count = 0;
    char **names = NULL;
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *directory = find(files, path);
    if (os_error == 0 && (directory == NULL || directory->now == NULL)) os_error = ENOENT;
    for (entry *e = files->entries; e != NULL && os_error == 0; e = e->next) {
        const char *name = name_within(path, e->path);
        if (name == NULL || e->now == NULL) continue;
        if (!add_name(&names, &count, name)) os_error = ENOMEM;
    }
    unlock(files);
    mg_status status = os_error == 0 ? MG_OK : fail(error, os_error, "list", path);
    for (size_t i = 0; i < count; i++) {
        if (status == MG_OK) status = visit(context, names[i], error);
        free(names[i]);
    }
    free(names);
    return status;
}

static mg_status stat_file(mg_files *base, const char *path, mg_file_facts *facts, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    const entry *e = os_error == 0 ? find(files, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        *facts = (mg_file_facts){.size = (int64_t)e->now->now.size,
                                 .modified_ns = e->now->modified_ns,
                                 .identity = e->now->identity,
                                 .is_directory = e->now->is_directory};
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "stat", path);
}

static const mg_files_table MEMORY_TABLE = {
    .close_files = close_files,
    .open = open_file,
    .close = close_file,
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .reserve = reserve,
    .truncate = truncate_file,
    .size = size_of,
    .fd = fd_of,
    .sync_directory = sync_directory,
    .make_directory = make_directory,
    .rename = rename_file,
    .remove = remove_file,
    .list = list_directory,
    .stat = stat_file,
};

mg_status mg_files_open_memory(mg_files **out, mg_error *error)
{
    memory_files *files = calloc(1, sizeof *files);
    if (files == NULL) return fail(error, ENOMEM, "open", "");
    files->base.table = &MEMORY_TABLE;
    if (pthread_mutex_init(&files->lock, NULL) != 0 ||
        mg_file_pool_open(&files->base.pool) != MG_OK) {
        free(files);
        return fail(error, ENOMEM, "open", "");
    }
    *out = &files->base;
    return MG_OK;
}

/* ---- Faults and crashes ---- */

void mg_memory_fail_at(mg_files *base, mg_memory_fault fault, int64_t at, int os_error)
{
    memory_files *files = as_memory(base);
    lock(files);
    files->fault = fault;
    files->fault_at = files->operations + at;
    files->fault_os_error = os_error;
    unlock(files);
}

int64_t mg_memory_operations(mg_files *base)
{
    memory_files *files = as_memory(base);
    lock(files);
    int64_t operations = files->operations;
    unlock(files);
    return operations;
}

int64_t mg_memory_open_files(mg_files *base)
{
    memory_files *files = as_memory(base);
    lock(files);
    int64_t open_files = files->open_files;
    unlock(files);
    return open_files;
}

void mg_memory_set_cold(mg_files *base, bool cold)
{
    memory_files *files = as_memory(base);
    lock(files);
    files->cold = cold;
    unlock(files);
}

void mg_memory_set_capacity(mg_files *base, int64_t capacity)
{
    memory_files *files = as_memory(base);
    lock(files);
    files->capacity = capacity;
    unlock(files);
}

/* SplitMix64: a seed repeats a crash exactly. */
static uint64_t draw(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Each sector has the old bytes or the new ones; the size is one of both, or in between. */
static void tear_content(inode *node, size_t sector_size, uint64_t *state)
{
    content *now = &node->now;
    const content *durable = &node->durable;
    size_t size = now->size;
    uint64_t choice = draw(state) % 3;
    if (choice == 0) size = durable->size;
    if (choice == 1 && now->size > durable->size) {
        size = durable->size + (size_t)(draw(state) % (now->size - durable->size + 1));
    }
    size_t written = now->size;
    bool fits = set_size(now, size);
    MG_ASSERT(fits);
    for (size_t at = 0; at < size; at += sector_size) {
        if (draw(state) % 2 == 0) continue;
        size_t end = at + sector_size < size ? at + sector_size : size;
        for (size_t i = at; i < end; i++) {
            if (i < durable->size) {
                now->data[i] = durable->data[i];
            } else if (i < written) {
                now->data[i] = 0; /* the size reached the disk, the bytes did not */
            }
        }
    }
}

/* What was torn counts as synced afterwards, so a second name for it changes nothing. */
static void crash_content(inode *node, mg_memory_crash crash, size_t sector_size, uint64_t *state)
{
    bool is_same =
        node->now.size == node->durable.size &&
        (node->now.size == 0 || memcmp(node->now.data, node->durable.data, node->now.size) == 0);
    node->reserved_end = 0;
    if (!is_same && crash == MG_MEMORY_CRASH_TEAR) tear_content(node, sector_size, state);
    bool copied = crash == MG_MEMORY_CRASH_FORGET ? copy(&node->now, &node->durable)
                                                  : copy(&node->durable, &node->now);
    MG_ASSERT(copied);
}

void mg_memory_play_crash(mg_files *base, mg_memory_crash crash, size_t sector_size, uint64_t seed)
{
    memory_files *files = as_memory(base);
    MG_ASSERT(sector_size > 0);
    lock(files);
    MG_ASSERT(files->open_files == 0);
    files->fault = MG_MEMORY_FAULT_NONE;
    uint64_t seed_first = seed;
    for (entry *e = files->entries; e != NULL && crash != MG_MEMORY_CRASH_PROCESS; e = e->next) {
        /* A rename is there or not, but never half: journals see to that. */
        uint64_t of_move = seed_first ^ e->move;
        uint64_t drawn = e->move == 0 ? draw(&seed) : draw(&of_move);
        bool keeps_new = crash == MG_MEMORY_CRASH_TEAR && drawn % 2 == 0;
        if (!keeps_new) set_link(&e->now, e->durable);
        set_link(&e->durable, e->now);
        e->move = 0;
    }
    for (entry *e = files->entries; e != NULL && crash != MG_MEMORY_CRASH_PROCESS; e = e->next) {
        if (e->now != NULL) crash_content(e->now, crash, sector_size, &seed);
    }
    unlock(files);
}
