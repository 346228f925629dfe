#include "file/pool.h"

#include <pthread.h>
#include <stdlib.h>

enum { CLOSED = -1 };

struct mg_file_pool {
    pthread_mutex_t lock;
    mg_pooled_file **slots; /* NULL: free */
    size_t slots_count;
    size_t hand; /* of the clock: where the search for an idle handle goes on */
    size_t open_count;
};

mg_status mg_file_pool_open(mg_file_pool **out)
{
    mg_file_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return MG_NO_MEMORY;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return MG_NO_MEMORY;
    }
    *out = pool;
    return MG_OK;
}

void mg_file_pool_close(mg_file_pool *pool)
{
    if (pool == NULL) return;
    MG_ASSERT(pool->open_count == 0);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->slots);
    free(pool);
}

void mg_pooled_init(mg_pooled_file *pooled)
{
    atomic_init(&pooled->pins, CLOSED);
    atomic_init(&pooled->touched, false);
    pooled->slot = -1;
    pooled->identity = 0;
    pooled->file = NULL;
}

void mg_pooled_adopt(mg_pooled_file *pooled, mg_file *file)
{
    MG_ASSERT(atomic_load(&pooled->pins) == CLOSED);
    pooled->file = file;
    atomic_store_explicit(&pooled->pins, 1, memory_order_release);
}

bool mg_pooled_try_pin(mg_pooled_file *pooled)
{
    int32_t pins = atomic_load_explicit(&pooled->pins, memory_order_relaxed);
    while (pins != CLOSED) {
        if (atomic_compare_exchange_weak_explicit(&pooled->pins, &pins, pins + 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
            if (!atomic_load_explicit(&pooled->touched, memory_order_relaxed)) {
                atomic_store_explicit(&pooled->touched, true, memory_order_relaxed);
            }
            return true;
        }
    }
    return false;
}

void mg_pooled_unpin(mg_pooled_file *pooled)
{
    int32_t before = atomic_fetch_sub_explicit(&pooled->pins, 1, memory_order_release);
    MG_ASSERT(before > 0);
}

/* Closed to everybody when it answers true; the handle is then the caller's. */
static bool take_idle(mg_pooled_file *pooled)
{
    int32_t idle = 0;
    return atomic_compare_exchange_strong_explicit(&pooled->pins, &idle, CLOSED,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static void leave_slot(mg_file_pool *pool, mg_pooled_file *pooled)
{
    if (pooled->slot < 0) return;
    pool->slots[pooled->slot] = NULL;
    pooled->slot = -1;
    pool->open_count--;
}

/* One idle handle that nobody pinned since the hand last passed, or NULL. Called locked. */
static mg_file *evict(mg_file_pool *pool)
{
    size_t steps = pool->slots_count * 2; /* the first round may only clear marks */
    for (size_t i = 0; i < steps; i++) {
        pool->hand = (pool->hand + 1) % pool->slots_count;
        mg_pooled_file *pooled = pool->slots[pool->hand];
        if (pooled == NULL) continue;
        if (atomic_exchange_explicit(&pooled->touched, false, memory_order_relaxed)) continue;
        mg_file *file = pooled->file;
        if (!take_idle(pooled)) continue;
        leave_slot(pool, pooled);
        return file;
    }
    return NULL;
}

static bool grow_slots(mg_file_pool *pool)
{
    size_t count = pool->slots_count == 0 ? 16 : pool->slots_count * 2;
    mg_pooled_file **slots = realloc(pool->slots, count * sizeof *slots);
    if (slots == NULL) return false;
    for (size_t i = pool->slots_count; i < count; i++)
        slots[i] = NULL;
    pool->slots = slots;
    pool->slots_count = count;
    return true;
}

/* Called locked. Where every handle is pinned and memory is out, the file stays without a slot:
 * it is then closed by retire alone. */
static void enter_slot(mg_file_pool *pool, mg_pooled_file *pooled)
{
    size_t slot = 0;
    while (slot < pool->slots_count && pool->slots[slot] != NULL)
        slot++;
    if (slot == pool->slots_count && !grow_slots(pool)) return;
    pool->slots[slot] = pooled;
    pooled->slot = (int32_t)slot;
    pool->open_count++;
}

/* Called locked; answers a handle to close after unlocking, or NULL. */
static mg_file *enter(mg_file_pool *pool, mg_pooled_file *pooled)
{
    mg_file *evicted = NULL;
    if (pool->open_count >= MG_FILE_POOL_OPEN_MAX) evicted = evict(pool);
    enter_slot(pool, pooled);
    return evicted;
}

/* The name is asked again after the open: a file that had lost it does not get it back. */
static mg_status open_file(const mg_pooled_file *pooled, mg_files *files, const char *path,
                           mg_file **file, mg_error *error)
{
    mg_status status = mg_file_open(files, path, MG_FILE_READ, file, error);
    if (pooled->identity == 0) return status;
    if (status == MG_NOT_FOUND) return MG_CLOSED;
    if (status != MG_OK) return status;
    mg_file_facts facts;
    status = mg_files_stat(files, path, &facts, error);
    if (status == MG_OK && facts.identity == pooled->identity) return MG_OK;
    mg_file_close(*file);
    return status == MG_OK || status == MG_NOT_FOUND ? MG_CLOSED : status;
}

mg_status mg_pooled_pin(mg_pooled_file *pooled, mg_files *files, const char *path, mg_error *error)
{
    if (mg_pooled_try_pin(pooled)) return MG_OK;

    mg_file *file = NULL;
    mg_status status = open_file(pooled, files, path, &file, error);
    if (status != MG_OK) return status;

    mg_file *surplus = NULL;
    mg_file_pool *pool = files->pool;
    (void)pthread_mutex_lock(&pool->lock);
    if (mg_pooled_try_pin(pooled)) {
        surplus = file; /* somebody else was faster */
    } else {
        mg_pooled_adopt(pooled, file);
        surplus = enter(pool, pooled);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    mg_file_close(surplus);
    return MG_OK;
}

void mg_pooled_enroll(mg_pooled_file *pooled, mg_files *files)
{
    mg_file_pool *pool = files->pool;
    (void)pthread_mutex_lock(&pool->lock);
    MG_ASSERT(pooled->slot < 0);
    mg_file *evicted = enter(pool, pooled);
    (void)pthread_mutex_unlock(&pool->lock);
    mg_file_close(evicted);
}

bool mg_pooled_retire(mg_pooled_file *pooled, mg_files *files)
{
    mg_file *file = NULL;
    mg_file_pool *pool = files->pool;
    (void)pthread_mutex_lock(&pool->lock);
    bool is_open = atomic_load_explicit(&pooled->pins, memory_order_acquire) != CLOSED;
    if (is_open) {
        file = pooled->file;
        if (!take_idle(pooled)) {
            (void)pthread_mutex_unlock(&pool->lock);
            return false;
        }
        leave_slot(pool, pooled);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    mg_file_close(file);
    return true;
}
