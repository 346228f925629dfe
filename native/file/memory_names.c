#include "file/memory_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mg_memory_inode_release(mg_memory_inode *node)
{
    if (node == NULL || --node->references > 0) return;
    mg_memory_content_deinit(&node->content);
    free(node);
}

void mg_memory_link(mg_memory_inode **link, mg_memory_inode *node)
{
    if (node != NULL) node->references++;
    mg_memory_inode_release(*link);
    *link = node;
}

static uint64_t hash_of(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = path; *c != '\0'; c++)
        hash = (hash ^ (uint64_t)(uint8_t)*c) * UINT64_C(0x100000001b3);
    return hash;
}

mg_memory_entry *mg_memory_names_find(mg_memory_names *names, const char *path)
{
    uint64_t hash = hash_of(path);
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next) {
        if (e->hash == hash && strcmp(e->path, path) == 0) return e;
    }
    return NULL;
}

static mg_memory_inode *add_inode(mg_memory_names *names)
{
    mg_memory_inode *node = calloc(1, sizeof *node);
    if (node != NULL) node->identity = ++names->inodes;
    return node;
}

mg_memory_entry *mg_memory_names_add(mg_memory_names *names, const char *path)
{
    mg_memory_entry *found = mg_memory_names_find(names, path);
    if (found != NULL) return found;
    found = calloc(1, sizeof *found);
    if (found == NULL) return NULL;
    found->path = strdup(path);
    if (found->path == NULL) {
        free(found);
        return NULL;
    }
    found->hash = hash_of(path);
    found->next = names->entries;
    names->entries = found;
    return found;
}

const char *mg_memory_name_within(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    if (strncmp(path, directory, size) != 0 || path[size] != '/') return NULL;
    const char *name = path + size + 1;
    return strchr(name, '/') == NULL ? name : NULL;
}

static void free_change(mg_memory_name_change *change)
{
    mg_memory_inode_release(change->node);
    free(change);
}

bool mg_memory_names_add_change(mg_memory_names *names, mg_memory_entry *from, mg_memory_entry *to,
                                mg_memory_inode *node)
{
    mg_memory_name_change *change = calloc(1, sizeof *change);
    if (change == NULL) return false;
    change->from = from;
    change->to = to;
    mg_memory_link(&change->node, node);
    change->order = ++names->order;
    *names->last = change;
    names->last = &change->next;
    names->changes++;
    return true;
}

/* The change reaches the disk: a file has one name, however many of its changes were lost. */
static void apply_change(mg_memory_names *names, const mg_memory_name_change *change)
{
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next) {
        if (e->durable == change->node && e != change->to) mg_memory_link(&e->durable, NULL);
    }
    if (change->to != NULL) mg_memory_link(&change->to->durable, change->node);
}

void mg_memory_names_touch(mg_memory_names *names, const char *path)
{
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next) {
        if (e->now != NULL && mg_memory_name_within(e->path, path) != NULL) e->now->modified_ns++;
    }
}

int mg_memory_names_make(mg_memory_names *names, mg_memory_entry *e, bool is_directory)
{
    mg_memory_inode *fresh = add_inode(names);
    if (fresh == NULL) return ENOMEM;
    fresh->is_directory = is_directory;
    mg_memory_link(&e->now, fresh);
    mg_memory_names_touch(names, e->path);
    if (strchr(e->path, '/') != NULL)
        return mg_memory_names_add_change(names, NULL, e, fresh) ? 0 : ENOMEM;
    mg_memory_link(&e->durable, fresh); /* nobody could sync what it lies in */
    return 0;
}

static bool is_change_within(const mg_memory_name_change *change, const char *path)
{
    bool is_from = change->from != NULL && mg_memory_name_within(path, change->from->path) != NULL;
    return is_from || (change->to != NULL && mg_memory_name_within(path, change->to->path) != NULL);
}

/* Names of the directory that nobody has any more; the changes of its names are gone. */
static void forget_names(mg_memory_names *names, const char *path)
{
    for (mg_memory_entry **link = &names->entries; *link != NULL;) {
        mg_memory_entry *e = *link;
        if (e->now != NULL || e->durable != NULL || mg_memory_name_within(path, e->path) == NULL) {
            link = &e->next;
            continue;
        }
        *link = e->next;
        free(e->path);
        free(e);
    }
}

void mg_memory_names_sync(mg_memory_names *names, const char *path)
{
    for (mg_memory_name_change **link = &names->first; *link != NULL;) {
        mg_memory_name_change *change = *link;
        if (!is_change_within(change, path)) {
            link = &change->next;
            continue;
        }
        *link = change->next;
        if (names->last == &change->next) names->last = link;
        apply_change(names, change);
        free_change(change);
        names->changes++;
    }
    forget_names(names, path);
}

/* What is in a directory that is not there is not there either. */
static bool drop_homeless(mg_memory_names *names)
{
    bool dropped = false;
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next) {
        const char *slash = strrchr(e->path, '/');
        if (e->durable == NULL || slash == NULL) continue;
        for (const mg_memory_entry *home = names->entries; home != NULL; home = home->next) {
            bool is_home = mg_memory_name_within(home->path, e->path) != NULL;
            if (!is_home || home->durable != NULL) continue;
            mg_memory_link(&e->durable, NULL);
            dropped = true;
            break;
        }
    }
    return dropped;
}

void mg_memory_names_crash(mg_memory_names *names, mg_memory_cut *cut)
{
    bool removes = true; /* none after one that did not reach the disk */
    while (names->first != NULL) {
        mg_memory_name_change *change = names->first;
        names->first = change->next;
        bool is_kept = cut != NULL && mg_memory_keeps(cut, change->order);
        bool is_removal = change->to == NULL;
        if (is_removal && !removes) is_kept = false;
        if (is_removal && !is_kept) removes = false;
        if (is_kept) apply_change(names, change);
        free_change(change);
    }
    names->last = &names->first;
    while (drop_homeless(names)) {
    }
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next)
        mg_memory_link(&e->now, e->durable);
}

/* ---- Life ---- */

void mg_memory_names_init(mg_memory_names *names)
{
    *names = (mg_memory_names){.entries = NULL};
    names->last = &names->first;
}

void mg_memory_names_deinit(mg_memory_names *names)
{
    while (names->entries != NULL) {
        mg_memory_entry *e = names->entries;
        names->entries = e->next;
        mg_memory_inode_release(e->now);
        mg_memory_inode_release(e->durable);
        free(e->path);
        free(e);
    }
    while (names->first != NULL) {
        mg_memory_name_change *change = names->first;
        names->first = change->next;
        free_change(change);
    }
}

static mg_memory_inode *copy_inode(mg_memory_names *to, mg_memory_inode *from)
{
    if (from == NULL || from->twin != NULL) return from == NULL ? NULL : from->twin;
    mg_memory_inode *fresh = add_inode(to);
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

static void forget_twins(mg_memory_names *names)
{
    for (mg_memory_entry *e = names->entries; e != NULL; e = e->next) {
        if (e->now != NULL) e->now->twin = NULL;
        if (e->durable != NULL) e->durable->twin = NULL;
        e->twin = NULL;
    }
    for (mg_memory_name_change *change = names->first; change != NULL; change = change->next)
        change->node->twin = NULL;
}

void mg_memory_names_copy(mg_memory_names *to, mg_memory_names *from)
{
    for (mg_memory_entry *e = from->entries; e != NULL; e = e->next) {
        mg_memory_entry *fresh = mg_memory_names_add(to, e->path);
        MG_ASSERT(fresh != NULL);
        e->twin = fresh;
        mg_memory_link(&fresh->now, copy_inode(to, e->now));
        mg_memory_link(&fresh->durable, copy_inode(to, e->durable));
    }
    for (const mg_memory_name_change *c = from->first; c != NULL; c = c->next) {
        bool noted =
            mg_memory_names_add_change(to, c->from == NULL ? NULL : c->from->twin,
                                       c->to == NULL ? NULL : c->to->twin, copy_inode(to, c->node));
        MG_ASSERT(noted);
    }
    /* The copies' orders are those of the originals, or a journal would be another. */
    mg_memory_name_change *fresh = to->first;
    for (const mg_memory_name_change *c = from->first; c != NULL; c = c->next, fresh = fresh->next)
        fresh->order = c->order;
    to->order = from->order;
    to->inodes = from->inodes;
    forget_twins(from);
}
