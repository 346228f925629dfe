/* memory_names.h -- the names of memory.h: which file each one leads to now, which one it would
 * lead to after a power cut, and each change that is on its way from the one to the other.
 *
 *     durable + changes, in their order = now
 *
 * A sync of a directory makes the changes of the names in it durable; a power cut keeps of the
 * others what it likes. A file has one name, and lives as long as a name, a change or an open file
 * refers to it.
 */
#ifndef MG_FILE_MEMORY_NAMES_H
#define MG_FILE_MEMORY_NAMES_H

#include "file/memory_content.h"

typedef struct mg_memory_inode {
    mg_memory_content content;
    int64_t reserved_end;
    int64_t references; /* names, changes of names, and open files */
    uint64_t identity;
    int64_t modified_ns; /* of a directory: how often its names changed */
    bool is_directory;
    struct mg_memory_inode *twin; /* while the file system is copied */
} mg_memory_inode;

typedef struct mg_memory_entry {
    struct mg_memory_entry *next;
    char *path;
    uint64_t hash;
    mg_memory_inode *now;         /* NULL: no such name now */
    mg_memory_inode *durable;     /* NULL: none after a power cut */
    struct mg_memory_entry *twin; /* while the file system is copied */
} mg_memory_entry;

/* A name that was made (no `from`), removed (no `to`), or changed, and is not synced. */
typedef struct mg_memory_name_change {
    struct mg_memory_name_change *next;
    uint64_t order;
    mg_memory_entry *from;
    mg_memory_entry *to;
    mg_memory_inode *node;
} mg_memory_name_change;

typedef struct mg_memory_names {
    mg_memory_entry *entries;
    mg_memory_name_change *first;
    mg_memory_name_change **last;
    uint64_t order;   /* of the last change to a file or a name */
    uint64_t inodes;  /* made so far */
    uint64_t changes; /* counted by whoever makes one, also of what is durable */
} mg_memory_names;

void mg_memory_names_init(mg_memory_names *names);
void mg_memory_names_deinit(mg_memory_names *names);
/* Empty names become those of another file system, with its files. */
void mg_memory_names_copy(mg_memory_names *to, mg_memory_names *from);

/* ---- Files ---- */

void mg_memory_inode_release(mg_memory_inode *node); /* may be NULL */
/* Both may be NULL. */
void mg_memory_link(mg_memory_inode **link, mg_memory_inode *node);

/* ---- Names ---- */

mg_memory_entry *mg_memory_names_find(mg_memory_names *names, const char *path); /* or NULL */
/* With or without a file. NULL: no memory. */
mg_memory_entry *mg_memory_names_add(mg_memory_names *names, const char *path);
/* A new file of that name; 0, or ENOMEM. */
int mg_memory_names_make(mg_memory_names *names, mg_memory_entry *entry, bool is_directory);
/* Called before a name changes; false where there is no memory. */
bool mg_memory_names_add_change(mg_memory_names *names, mg_memory_entry *from, mg_memory_entry *to,
                                mg_memory_inode *node);
/* The directory of `path` was changed. */
void mg_memory_names_touch(mg_memory_names *names, const char *path);
/* The name inside the directory, or NULL when the path lies elsewhere. */
const char *mg_memory_name_within(const char *directory, const char *path);
void mg_memory_names_sync(mg_memory_names *names, const char *directory);
/* A power cut; `cut` NULL: nothing that was not synced is kept. The contents are not touched. */
void mg_memory_names_crash(mg_memory_names *names, mg_memory_cut *cut);

#endif
