/* siphash.h -- SipHash, a keyed hash: who does not know the key cannot choose inputs that collide
 * (Aumasson and Bernstein, 2012).
 *
 * For tables in memory whose keys are a stranger's. Not for anything that is stored.
 */
#ifndef MG_BASE_SIPHASH_H
#define MG_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct mg_siphash_key {
    uint64_t words[2];
} mg_siphash_key;

typedef struct mg_hash128 {
    uint64_t words[2];
} mg_hash128;

/* The key that 16 bytes stand for, as the authors' test vectors have it. */
mg_siphash_key mg_siphash_key_from(const uint8_t bytes[16]);

/* SipHash-2-4 with 128 bits, for who takes equal hashes for equal inputs; `data` may be NULL where
 * `size` is 0. */
mg_hash128 mg_siphash128(const mg_siphash_key *key, const void *data, size_t size);
/* SipHash-1-3 with 64 bits, for tables that compare what they find. */
uint64_t mg_siphash64(const mg_siphash_key *key, const void *data, size_t size);

#endif
