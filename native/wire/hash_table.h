/* hash_table.h -- a chained hash table of nodes that live in their owners.
 *
 * The table owns nothing but its array of buckets, which grows with the count;
 * where it can't grow it only gets slower. Whoever looks up walks the chain of
 * its hash and compares for itself:
 *
 *   for (mg_hash_node *node = mg_hash_first(table, hash); node != NULL;
 *        node = mg_hash_next(node)) ...
 *
 * Hash keys that come from outside with mg_hash_bytes and a secret seed. Single thread.
 */
#ifndef MG_WIRE_HASH_TABLE_H
#define MG_WIRE_HASH_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct mg_hash_node {
    struct mg_hash_node *next_in_bucket;
    uint64_t hash;
} mg_hash_node;

typedef struct mg_hash_table {
    mg_hash_node **buckets; /* NULL until something was added */
    uint32_t bucket_count;  /* 0 or a power of two */
    uint32_t count;
    mg_hash_node *single; /* the chain before there are buckets */
} mg_hash_table;

/* A zeroed table is an empty one. Frees the buckets, not the nodes. */
void mg_hash_deinit(mg_hash_table *table);
void mg_hash_add(mg_hash_table *table, mg_hash_node *node, uint64_t hash);
void mg_hash_remove(mg_hash_table *table, mg_hash_node *node);
mg_hash_node *mg_hash_first(const mg_hash_table *table, uint64_t hash);
mg_hash_node *mg_hash_next(const mg_hash_node *node); /* with the same hash */

/* SipHash-1-3 under a key made of `seed`. */
uint64_t mg_hash_bytes(uint64_t seed, const uint8_t *data, size_t size);
/* For a number under a hash that is already secret. */
uint64_t mg_hash_combine(uint64_t hash, uint64_t number);

#endif
