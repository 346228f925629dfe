#include "file/memory.h"

#include "base/writer.h"
#include "file/memory_names.h"
#include "file/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory_files {
    mg_files base;
    pthread_mutex_t lock;
    mg_memory_names names;
    int64_t operations;
    int64_t open_files;
    int64_t capacity;
    bool cold;
    mg_memory_fault fault;
    int64_t fault_at; /* by the count of operations */
    int fault_os_error;
    mg_memory_watcher watcher;
    void *watcher_context;
    uint64_t changes_seen; /* of names.changes */
} memory_files;

typedef struct memory_file {
    mg_file base;
    memory_files *files;
    mg_memory_inode *node;
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

/* Locked, once the watcher has seen what the operations so far have changed. */
static void lock_for_operation(memory_files *files)
{
    lock(files);
    bool is_news = files->watcher != NULL && files->names.changes != files->changes_seen;
    files->changes_seen = files->names.changes;
    unlock(files);
    if (is_news) files->watcher(files->watcher_context);
    lock(files);
}

/* Counts one operation; true where it must fail. Called locked. */
static bool is_faulty(memory_files *files)
{
    int64_t operation = files->operations++;
    if (files->fault == MG_MEMORY_FAULT_STOP) return operation >= files->fault_at;
    return files->fault == MG_MEMORY_FAULT_ONCE && operation == files->fault_at;
}

/* ---- The table ---- */

static void close_files(mg_files *base)
{
    memory_files *files = as_memory(base);
    MG_ASSERT(files->open_files == 0);
    mg_memory_names_deinit(&files->names);
    (void)pthread_mutex_destroy(&files->lock);
    free(files);
}

static int cut(memory_files *files, mg_memory_inode *node, size_t size)
{
    if (node->content.now.size == size) return 0;
    files->names.changes++;
    return mg_memory_content_cut(&node->content, size, ++files->names.order) ? 0 : ENOMEM;
}

static int open_inode(memory_files *files, const char *path, unsigned flags, mg_memory_inode **node)
{
    if (is_faulty(files)) return files->fault_os_error;
    mg_memory_entry *e = mg_memory_names_find(&files->names, path);
    bool exists = e != NULL && e->now != NULL;
    if (exists && (flags & MG_FILE_EXCLUSIVE) != 0) return EEXIST;
    if (exists && e->now->is_directory) return EISDIR;
    if (!exists && (flags & MG_FILE_CREATE) == 0) return ENOENT;
    if (!exists) {
        e = mg_memory_names_add(&files->names, path);
        int os_error = e == NULL ? ENOMEM : mg_memory_names_make(&files->names, e, false);
        if (os_error != 0) return os_error;
    }
    *node = e->now;
    return (flags & MG_FILE_EMPTY) != 0 ? cut(files, e->now, 0) : 0;
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
    lock_for_operation(files);
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
    mg_memory_inode_release(file->node);
    files->open_files--;
    unlock(files);
    free(file);
}

static mg_status read_file(mg_file *base, int64_t position, void *out, size_t size, unsigned flags,
                           size_t *got, mg_error *error)
{
    memory_file *file = as_file(base);
    memory_files *files = file->files;
    lock_for_operation(files);
    if ((flags & MG_FILE_NO_WAIT) != 0 && files->cold) {
        unlock(files);
        return MG_WOULD_BLOCK;
    }
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0) {
        const mg_memory_bytes *bytes = &file->node->content.now;
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
    for (const mg_memory_entry *e = files->names.entries; e != NULL; e = e->next) {
        if (e->now == NULL) continue;
        int64_t size = (int64_t)e->now->content.now.size;
        sum += size > e->now->reserved_end ? size : e->now->reserved_end;
    }
    return sum;
}

static bool has_space(const memory_files *files, const mg_memory_inode *node, int64_t end)
{
    if (files->capacity == 0) return true;
    int64_t size = (int64_t)node->content.now.size;
    int64_t held = size > node->reserved_end ? size : node->reserved_end;
    return end <= held || bytes_in_use(files) + (end - held) <= files->capacity;
}

static mg_status find_space(mg_file *file, mg_file_space *space, mg_error *error)
{
    (void)error;
    memory_files *files = as_file(file)->files;
    lock(files);
    if (files->capacity > 0) {
        *space = (mg_file_space){.total = files->capacity,
                                 .free = files->capacity - bytes_in_use(files)};
    }
    unlock(files);
    return MG_OK;
}

static int write_parts(memory_files *files, mg_memory_inode *node, size_t at,
                       const struct iovec *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    size_t allowed = size;
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0 && !has_space(files, node, (int64_t)(at + size))) os_error = ENOSPC;
    if (os_error != 0) allowed = size / 2;
    uint64_t order = ++files->names.order;
    files->names.changes++;
    for (size_t i = 0; i < count && allowed > 0; i++) {
        size_t part = parts[i].iov_len < allowed ? parts[i].iov_len : allowed;
        if (!mg_memory_content_write(&node->content, at, parts[i].iov_base, part, order)) {
            return ENOMEM;
        }
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
    lock_for_operation(file->files);
    int os_error = write_parts(file->files, file->node, (size_t)position, parts, count);
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "write", "");
}

static mg_status sync_file(mg_file *base, mg_error *error)
{
    memory_file *file = as_file(base);
    memory_files *files = file->files;
    mg_memory_content *content = &file->node->content;
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (content->first != NULL) files->names.changes++;
    if (os_error != 0) {
        /* Who died before the call has not made the kernel drop anything. */
        if (files->fault == MG_MEMORY_FAULT_ONCE) mg_memory_content_fail_sync(content);
    } else if (!mg_memory_content_sync(content)) {
        os_error = ENOMEM;
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fdatasync", "");
}

static mg_status reserve(mg_file *base, int64_t position, int64_t size, mg_error *error)
{
    memory_file *file = as_file(base);
    MG_ASSERT(file->can_write);
    lock_for_operation(file->files);
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
    lock_for_operation(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0) {
        file->node->reserved_end = 0;
        os_error = cut(file->files, file->node, (size_t)size);
    }
    unlock(file->files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "ftruncate", "");
}

static mg_status size_of(mg_file *base, int64_t *size, mg_error *error)
{
    memory_file *file = as_file(base);
    lock_for_operation(file->files);
    int os_error = is_faulty(file->files) ? file->files->fault_os_error : 0;
    if (os_error == 0) *size = (int64_t)file->node->content.now.size;
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
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0) mg_memory_names_sync(&files->names, path);
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fsync", path);
}

static mg_status make_directory(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    mg_memory_entry *e = os_error == 0 ? mg_memory_names_add(&files->names, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now != NULL)) os_error = e == NULL ? ENOMEM : EEXIST;
    if (os_error == 0) os_error = mg_memory_names_make(&files->names, e, true);
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "mkdir", path);
}

static mg_status rename_file(mg_files *base, const char *from, const char *to, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    mg_memory_entry *source = os_error == 0 ? mg_memory_names_find(&files->names, from) : NULL;
    mg_memory_entry *target = NULL;
    if (os_error == 0 && (source == NULL || source->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        target = mg_memory_names_add(&files->names, to);
        bool noted = target != NULL &&
                     mg_memory_names_add_change(&files->names, source, target, source->now);
        if (!noted) os_error = ENOMEM;
    }
    if (os_error == 0) {
        mg_memory_link(&target->now, source->now);
        mg_memory_link(&source->now, NULL);
        mg_memory_names_touch(&files->names, from);
        mg_memory_names_touch(&files->names, to);
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "rename", from);
}

static mg_status remove_file(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    mg_memory_entry *e = os_error == 0 ? mg_memory_names_find(&files->names, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now == NULL)) os_error = ENOENT;
    if (os_error == 0 && !mg_memory_names_add_change(&files->names, e, NULL, e->now))
        os_error = ENOMEM;
    if (os_error == 0) {
        mg_memory_link(&e->now, NULL);
        mg_memory_names_touch(&files->names, path);
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
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    mg_memory_entry *directory = mg_memory_names_find(&files->names, path);
    if (os_error == 0 && (directory == NULL || directory->now == NULL)) os_error = ENOENT;
    for (mg_memory_entry *e = files->names.entries; e != NULL && os_error == 0; e = e->next) {
        const char *name = mg_memory_name_within(path, e->path);
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
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    const mg_memory_entry *e = os_error == 0 ? mg_memory_names_find(&files->names, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        *facts = (mg_file_facts){.size = (int64_t)e->now->content.now.size,
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
    .space = find_space,
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
    mg_memory_names_init(&files->names);
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

void mg_memory_watch(mg_files *base, mg_memory_watcher watcher, void *context)
{
    memory_files *files = as_memory(base);
    lock(files);
    files->watcher = watcher;
    files->watcher_context = context;
    files->changes_seen = files->names.changes;
    unlock(files);
}

/* Every other power cut finds a journal that was written up to some point. */
static mg_memory_cut choose_cut(memory_files *files, size_t sector_size, uint64_t seed)
{
    static const unsigned KEPT[] = {1, 8, 8, 15};
    mg_memory_cut cut = {.sector_size = sector_size, .order_max = UINT64_MAX, .state = seed};
    cut.kept_in_16 = KEPT[mg_memory_draw(&cut.state) % 4];
    if (mg_memory_draw(&cut.state) % 2 == 0) return cut;
    uint64_t oldest = files->names.first != NULL ? files->names.first->order : files->names.order;
    for (const mg_memory_entry *e = files->names.entries; e != NULL; e = e->next) {
        if (e->now == NULL || e->now->content.first == NULL) continue;
        if (e->now->content.first->order < oldest) oldest = e->now->content.first->order;
    }
    uint64_t reach = files->names.order >= oldest ? files->names.order - oldest + 2 : 1;
    cut.order_max = oldest - 1 + mg_memory_draw(&cut.state) % reach;
    return cut;
}

void mg_memory_play_crash(mg_files *base, mg_memory_crash crash, size_t sector_size, uint64_t seed)
{
    memory_files *files = as_memory(base);
    MG_ASSERT(sector_size > 0);
    lock(files);
    MG_ASSERT(files->open_files == 0);
    files->fault = MG_MEMORY_FAULT_NONE;
    mg_memory_cut cut = choose_cut(files, sector_size, seed);
    mg_memory_cut *chosen = crash == MG_MEMORY_CRASH_TEAR ? &cut : NULL;
    if (crash != MG_MEMORY_CRASH_PROCESS) {
        mg_memory_names_crash(&files->names, chosen);
        files->names.changes++;
        for (mg_memory_entry *e = files->names.entries; e != NULL; e = e->next) {
            if (e->now == NULL) continue;
            e->now->reserved_end = 0;
            bool fits = mg_memory_content_crash(&e->now->content, chosen);
            MG_ASSERT(fits);
        }
    }
    unlock(files);
}

/* ---- Copies ---- */

mg_status mg_memory_copy(mg_files *base, mg_files **out, mg_error *error)
{
    memory_files *from = as_memory(base);
    mg_status status = mg_files_open_memory(out, error);
    if (status != MG_OK) return status;
    memory_files *to = as_memory(*out);
    lock(from);
    mg_memory_names_copy(&to->names, &from->names);
    to->operations = from->operations;
    to->capacity = from->capacity;
    unlock(from);
    return MG_OK;
}
