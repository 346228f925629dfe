#include "base/siphash.h"

#include <string.h>

/* Rounds a word, and at the end. */
enum { STRONG = 2, STRONG_END = 4, QUICK = 1, QUICK_END = 3 };

typedef struct state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
} state;

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline uint64_t load_little(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void mix(state *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static inline state begin(const mg_siphash_key *key)
{
    /* "somepseudorandomlygeneratedbytes". */
    return (state){
        .v0 = key->words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->words[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->words[1] ^ UINT64_C(0x7465646279746573),
    };
}

static inline void absorb_word(state *s, uint64_t word, int rounds)
{
    s->v3 ^= word;
    mix(s, rounds);
    s->v0 ^= word;
}

static inline void absorb(state *s, const void *data, size_t size, int rounds)
{
    const uint8_t *next = data;
    size_t left = size;
    for (; left >= 8; left -= 8, next += 8)
        absorb_word(s, load_little(next), rounds);
    uint8_t last[8] = {0};
    if (left > 0) memcpy(last, next, left);
    last[7] = (uint8_t)size;
    absorb_word(s, load_little(last), rounds);
}

static inline uint64_t folded(const state *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

mg_siphash_key mg_siphash_key_from(const uint8_t bytes[16])
{
    return (mg_siphash_key){.words = {load_little(bytes), load_little(bytes + 8)}};
}

mg_hash128 mg_siphash128(const mg_siphash_key *key, const void *data, size_t size)
{
    state s = begin(key);
    s.v1 ^= 0xee; /* the mark of the 128 bits */
    absorb(&s, data, size, STRONG);

    mg_hash128 hash;
    s.v2 ^= 0xee;
    mix(&s, STRONG_END);
    hash.words[0] = folded(&s);
    s.v1 ^= 0xdd;
    mix(&s, STRONG_END);
    hash.words[1] = folded(&s);
    return hash;
}

uint64_t mg_siphash64(const mg_siphash_key *key, const void *data, size_t size)
{
    state s = begin(key);
    absorb(&s, data, size, QUICK);
    s.v2 ^= 0xff;
    mix(&s, QUICK_END);
    return folded(&s);
}
