#include "file/memory.h"

#include "base/writer.h"
#include "file/memory_content.h"
#include "file/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct inode {
    mg_memory_content content;
    int64_t reserved_end;
    int64_t references; /* names, changes of names, and open files */
    uint64_t identity;
    int64_t modified_ns; /* of a directory: how often its names changed */
    bool is_directory;
    struct inode *twin; /* while the file system is copied */
} inode;

typedef struct entry {
    struct entry *next;
    char *path;
    uint64_t hash;
    inode *now;         /* NULL: no such name now */
    inode *durable;     /* NULL: none after a power cut */
    struct entry *twin; /* while the file system is copied */
} entry;

/* A name that was made (no `from`), removed (no `to`), or changed, and is not synced. */
typedef struct name_change {
    struct name_change *next;
    uint64_t order;
    entry *from;
    entry *to;
    inode *node;
} name_change;

typedef struct memory_files {
    mg_files base;
    pthread_mutex_t lock;
    entry *entries;
    name_change *first;
    name_change **last;
    uint64_t order; /* of the last change to a file or a name */
    int64_t operations;
    uint64_t inodes; /* made so far */
    int64_t open_files;
    int64_t capacity;
    bool cold;
    mg_memory_fault fault;
    int64_t fault_at; /* by the count of operations */
    int fault_os_error;
    mg_memory_watcher watcher;
    void *watcher_context;
    uint64_t changes; /* also of what is durable */
    uint64_t changes_seen;
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

/* Locked, once the watcher has seen what the operations so far have changed. */
static void lock_for_operation(memory_files *files)
{
    lock(files);
    bool is_news = files->watcher != NULL && files->changes != files->changes_seen;
    files->changes_seen = files->changes;
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

/* ---- Names ---- */

static void release_inode(inode *node)
{
    if (node == NULL || --node->references > 0) return;
    mg_memory_content_deinit(&node->content);
    free(node);
}

static void set_link(inode **link, inode *node)
{
    if (node != NULL) node->references++;
    release_inode(*link);
    *link = node;
}

static uint64_t hash_of(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = path; *c != '\0'; c++)
        hash = (hash ^ (uint64_t)(uint8_t)*c) * UINT64_C(0x100000001b3);
    return hash;
}

static entry *find(memory_files *files, const char *path)
{
    uint64_t hash = hash_of(path);
    for (entry *e = files->entries; e != NULL; e = e->next) {
        if (e->hash == hash && strcmp(e->path, path) == 0) return e;
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
    found->hash = hash_of(path);
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

static void free_change(name_change *change)
{
    release_inode(change->node);
    free(change);
}

/* Called before the names change; false where there is no memory. */
static bool note_change(memory_files *files, entry *from, entry *to, inode *node)
{
    name_change *change = calloc(1, sizeof *change);
    if (change == NULL) return false;
    change->from = from;
    change->to = to;
    set_link(&change->node, node);
    change->order = ++files->order;
    *files->last = change;
    files->last = &change->next;
    files->changes++;
    return true;
}

/* The change reaches the disk: a file has one name, however many of its changes were lost. */
static void apply_change(memory_files *files, const name_change *change)
{
    for (entry *e = files->entries; e != NULL; e = e->next) {
        if (e->durable == change->node && e != change->to) set_link(&e->durable, NULL);
    }
    if (change->to != NULL) set_link(&change->to->durable, change->node);
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
    while (files->first != NULL) {
        name_change *change = files->first;
        files->first = change->next;
        free_change(change);
    }
    (void)pthread_mutex_destroy(&files->lock);
    free(files);
}

static int make_name(memory_files *files, entry *e, bool is_directory)
{
    inode *fresh = add_inode(files);
    if (fresh == NULL) return ENOMEM;
    fresh->is_directory = is_directory;
    set_link(&e->now, fresh);
    touch_directory_of(files, e->path);
    if (strchr(e->path, '/') != NULL) return note_change(files, NULL, e, fresh) ? 0 : ENOMEM;
    set_link(&e->durable, fresh); /* nobody could sync what it lies in */
    return 0;
}

static int cut(memory_files *files, inode *node, size_t size)
{
    if (node->content.now.size == size) return 0;
    files->changes++;
    return mg_memory_content_cut(&node->content, size, ++files->order) ? 0 : ENOMEM;
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
        int os_error = e == NULL ? ENOMEM : make_name(files, e, false);
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
    for (const entry *e = files->entries; e != NULL; e = e->next) {
        if (e->now == NULL) continue;
        int64_t size = (int64_t)e->now->content.now.size;
        sum += size > e->now->reserved_end ? size : e->now->reserved_end;
    }
    return sum;
}

static bool has_space(const memory_files *files, const inode *node, int64_t end)
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
    uint64_t order = ++files->order;
    files->changes++;
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
    if (content->first != NULL) files->changes++;
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

static bool is_change_within(const name_change *change, const char *path)
{
    bool is_from = change->from != NULL && name_within(path, change->from->path) != NULL;
    return is_from || (change->to != NULL && name_within(path, change->to->path) != NULL);
}

/* Names of the directory that nobody has any more; the changes of its names are gone. */
static void forget_names(memory_files *files, const char *path)
{
    for (entry **link = &files->entries; *link != NULL;) {
        entry *e = *link;
        if (e->now != NULL || e->durable != NULL || name_within(path, e->path) == NULL) {
            link = &e->next;
            continue;
        }
        *link = e->next;
        free(e->path);
        free(e);
    }
}

static void sync_names(memory_files *files, const char *path)
{
    for (name_change **link = &files->first; *link != NULL;) {
        name_change *change = *link;
        if (!is_change_within(change, path)) {
            link = &change->next;
            continue;
        }
        *link = change->next;
        if (files->last == &change->next) files->last = link;
        apply_change(files, change);
        free_change(change);
        files->changes++;
    }
    forget_names(files, path);
}

static mg_status sync_directory(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    if (os_error == 0) sync_names(files, path);
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "fsync", path);
}

static mg_status make_directory(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *e = os_error == 0 ? find_or_add(files, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now != NULL)) os_error = e == NULL ? ENOMEM : EEXIST;
    if (os_error == 0) os_error = make_name(files, e, true);
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "mkdir", path);
}

static mg_status rename_file(mg_files *base, const char *from, const char *to, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *source = os_error == 0 ? find(files, from) : NULL;
    entry *target = NULL;
    if (os_error == 0 && (source == NULL || source->now == NULL)) os_error = ENOENT;
    if (os_error == 0) {
        target = find_or_add(files, to);
        bool noted = target != NULL && note_change(files, source, target, source->now);
        if (!noted) os_error = ENOMEM;
    }
    if (os_error == 0) {
        set_link(&target->now, source->now);
        set_link(&source->now, NULL);
        touch_directory_of(files, from);
        touch_directory_of(files, to);
    }
    unlock(files);
    return os_error == 0 ? MG_OK : fail(error, os_error, "rename", from);
}

static mg_status remove_file(mg_files *base, const char *path, mg_error *error)
{
    memory_files *files = as_memory(base);
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    entry *e = os_error == 0 ? find(files, path) : NULL;
    if (os_error == 0 && (e == NULL || e->now == NULL)) os_error = ENOENT;
    if (os_error == 0 && !note_change(files, e, NULL, e->now)) os_error = ENOMEM;
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
    lock_for_operation(files);
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
    lock_for_operation(files);
    int os_error = is_faulty(files) ? files->fault_os_error : 0;
    const entry *e = os_error == 0 ? find(files, path) : NULL;
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
    files->last = &files->first;
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
    files->changes_seen = files->changes;
    unlock(files);
}

/* What is in a directory that is not there is not there either. */
static bool drop_homeless(memory_files *files)
{
    bool dropped = false;
    for (entry *e = files->entries; e != NULL; e = e->next) {
        const char *slash = strrchr(e->path, '/');
        if (e->durable == NULL || slash == NULL) continue;
        for (const entry *home = files->entries; home != NULL; home = home->next) {
            bool is_home = name_within(home->path, e->path) != NULL;
            if (!is_home || home->durable != NULL) continue;
            set_link(&e->durable, NULL);
            dropped = true;
            break;
        }
    }
    return dropped;
}

static void crash_names(memory_files *files, mg_memory_cut *cut)
{
    bool removes = true; /* none after one that did not reach the disk */
    while (files->first != NULL) {
        name_change *change = files->first;
        files->first = change->next;
        bool is_kept = cut != NULL && mg_memory_keeps(cut, change->order);
        bool is_removal = change->to == NULL;
        if (is_removal && !removes) is_kept = false;
        if (is_removal && !is_kept) removes = false;
        if (is_kept) apply_change(files, change);
        free_change(change);
    }
    files->last = &files->first;
    while (drop_homeless(files)) {
    }
    for (entry *e = files->entries; e != NULL; e = e->next)
        set_link(&e->now, e->durable);
}

/* Every other power cut finds a journal that was written up to some point. */
static mg_memory_cut choose_cut(memory_files *files, size_t sector_size, uint64_t seed)
{
    static const unsigned KEPT[] = {1, 8, 8, 15};
    mg_memory_cut cut = {.sector_size = sector_size, .order_max = UINT64_MAX, .state = seed};
    cut.kept_in_16 = KEPT[mg_memory_draw(&cut.state) % 4];
    if (mg_memory_draw(&cut.state) % 2 == 0) return cut;
    uint64_t oldest = files->first != NULL ? files->first->order : files->order;
    for (const entry *e = files->entries; e != NULL; e = e->next) {
        if (e->now == NULL || e->now->content.first == NULL) continue;
        if (e->now->content.first->order < oldest) oldest = e->now->content.first->order;
    }
    uint64_t reach = files->order >= oldest ? files->order - oldest + 2 : 1;
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
        crash_names(files, chosen);
        files->changes++;
        for (entry *e = files->entries; e != NULL; e = e->next) {
            if (e->now == NULL) continue;
            e->now->reserved_end = 0;
            bool fits = mg_memory_content_crash(&e->now->content, chosen);
            MG_ASSERT(fits);
        }
    }
    unlock(files);
}

/* ---- Copies ---- */

static inode *copy_inode(memory_files *to, inode *from)
{
    if (from == NULL || from->twin != NULL) return from == NULL ? NULL : from->twin;
    inode *fresh = add_inode(to);
    MG_ASSERT(fresh != NULL);
    fresh->reserved_end = from->reserved_end;
    fresh->identity = from->identity;
    fresh->modified_ns = from->modified_ns;
    fresh->is_directory = from->is_directory;
    bool fits = mg_memory_content_copy(&fresh->content, &from->content);
    MG_ASSERT(fits);
    from->twin = fresh;
    return fresh;
}

static void forget_twins(memory_files *files)
{
    for (entry *e = files->entries; e != NULL; e = e->next) {
        if (e->now != NULL) e->now->twin = NULL;
        if (e->durable != NULL) e->durable->twin = NULL;
        e->twin = NULL;
    }
    for (name_change *change = files->first; change != NULL; change = change->next)
        change->node->twin = NULL;
}

mg_status mg_memory_copy(mg_files *base, mg_files **out, mg_error *error)
{
    memory_files *from = as_memory(base);
    mg_status status = mg_files_open_memory(out, error);
    if (status != MG_OK) return status;
    memory_files *to = as_memory(*out);
    lock(from);
    for (entry *e = from->entries; e != NULL; e = e->next) {
        entry *fresh = find_or_add(to, e->path);
        MG_ASSERT(fresh != NULL);
        e->twin = fresh;
        set_link(&fresh->now, copy_inode(to, e->now));
        set_link(&fresh->durable, copy_inode(to, e->durable));
    }
    for (const name_change *c = from->first; c != NULL; c = c->next) {
        bool noted = note_change(to, c->from == NULL ? NULL : c->from->twin,
                                 c->to == NULL ? NULL : c->to->twin, copy_inode(to, c->node));
        MG_ASSERT(noted);
    }
    /* The copies' orders are those of the originals, or a journal would be another. */
    name_change *fresh = to->first;
    for (const name_change *c = from->first; c != NULL; c = c->next, fresh = fresh->next)
        fresh->order = c->order;
    to->order = from->order;
    to->inodes = from->inodes;
    to->operations = from->operations;
    to->capacity = from->capacity;
    forget_twins(from);
    unlock(from);
    return MG_OK;
}
