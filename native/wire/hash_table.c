#include "wire/hash_table.h"

#include "base/siphash.h"
#include "base/status.h"

#include <stdlib.h>

enum { BUCKET_COUNT_MIN = 8 };

static mg_hash_node **chain_of(mg_hash_table *table, uint64_t hash)
{
    if (table->buckets == NULL) return &table->single;
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void link_node(mg_hash_table *table, mg_hash_node *node)
{
    mg_hash_node **chain = chain_of(table, node->hash);
    node->next_in_bucket = *chain;
    *chain = node;
}

static void move_chain(mg_hash_table *to, mg_hash_node *node)
{
    while (node != NULL) {
        mg_hash_node *next = node->next_in_bucket;
        link_node(to, node);
        node = next;
    }
}

/* Out of memory is no failure: the chains get longer, and the next addition tries again. */
static void buckets_open(mg_hash_table *table, uint32_t bucket_count)
{
    mg_hash_node **buckets = calloc(bucket_count, sizeof *buckets);
    if (buckets == NULL) return;
    mg_hash_table grown = {.buckets = buckets, .bucket_count = bucket_count, .count = table->count};
    move_chain(&grown, table->single);
    for (uint32_t i = 0; i < table->bucket_count; i++)
        move_chain(&grown, table->buckets[i]);
    free(table->buckets);
    *table = grown;
}

void mg_hash_deinit(mg_hash_table *table)
{
    free(table->buckets);
    *table = (mg_hash_table){.buckets = NULL};
}

void mg_hash_add(mg_hash_table *table, mg_hash_node *node, uint64_t hash)
{
    if (table->count >= table->bucket_count && table->count > 0) {
        buckets_open(table, table->bucket_count == 0 ? BUCKET_COUNT_MIN : 2 * table->bucket_count);
    }
    node->hash = hash;
    link_node(table, node);
    table->count++;
}

void mg_hash_remove(mg_hash_table *table, mg_hash_node *node)
{
    mg_hash_node **link = chain_of(table, node->hash);
    while (*link != node) {
        MG_ASSERT(*link != NULL); /* the node is in this table */
        link = &(*link)->next_in_bucket;
    }
    *link = node->next_in_bucket;
    node->next_in_bucket = NULL;
    table->count--;
}

static mg_hash_node *with_hash(mg_hash_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next_in_bucket;
    return node;
}

mg_hash_node *mg_hash_first(const mg_hash_table *table, uint64_t hash)
{
    if (table->buckets == NULL) return with_hash(table->single, hash);
    return with_hash(table->buckets[hash & (table->bucket_count - 1)], hash);
}

mg_hash_node *mg_hash_next(const mg_hash_node *node)
{
    return with_hash(node->next_in_bucket, node->hash);
}

uint64_t mg_hash_bytes(uint64_t seed, const uint8_t *data, size_t size)
{
    mg_siphash_key key = {.words = {seed, mg_hash_combine(seed, 1)}};
    return mg_siphash64(&key, data, size);
}

/* The finalizer of SplitMix64 over the sum: every bit of either decides half of the result. */
uint64_t mg_hash_combine(uint64_t hash, uint64_t number)
{
    uint64_t v = hash + (number + 1) * 0x9e3779b97f4a7c15U;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9U;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebU;
    return v ^ (v >> 31);
}
