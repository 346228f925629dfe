#include "wire/hash_table.h"

#include "tests/wire/bytes.h"

enum { NODES = 1000 };

static bool is_there(const mg_hash_table *table, const mg_hash_node *wanted, uint64_t hash)
{
    for (mg_hash_node *node = mg_hash_first(table, hash); node != NULL; node = mg_hash_next(node)) {
        CHECK(node->hash == hash);
        if (node == wanted) return true;
    }
    return false;
}

static void nodes_come_and_go(void)
{
    static mg_hash_node nodes[NODES];
    mg_hash_table table = {.buckets = NULL};
    for (uint64_t i = 0; i < NODES; i++) {
        mg_hash_add(&table, &nodes[i], mg_hash_combine(1, i));
        CHECK(table.count == i + 1);
        CHECK(is_there(&table, &nodes[0], mg_hash_combine(1, 0)));
    }
    CHECK(table.bucket_count >= NODES / 2);
    for (uint64_t i = 0; i < NODES; i += 2)
        mg_hash_remove(&table, &nodes[i]);
    for (uint64_t i = 0; i < NODES; i++) {
        CHECK(is_there(&table, &nodes[i], mg_hash_combine(1, i)) == (i % 2 == 1));
    }
    CHECK(table.count == NODES / 2);
    mg_hash_deinit(&table);
}

static void equal_hashes_share_a_chain(void)
{
    mg_hash_node nodes[20];
    mg_hash_table table = {.buckets = NULL};
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        mg_hash_add(&table, &nodes[i], 7 + i % 2 * 64);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        CHECK(is_there(&table, &nodes[i], 7 + i % 2 * 64));
    CHECK(!is_there(&table, &nodes[0], 7 + 64));
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        mg_hash_remove(&table, &nodes[i]);
    CHECK(table.count == 0 && mg_hash_first(&table, 7) == NULL);
    mg_hash_deinit(&table);
}

static void hashes_depend_on_seed_size_and_every_byte(void)
{
    uint8_t data[24] = {0};
    for (size_t size = 0; size < sizeof data; size++) {
        uint64_t plain = mg_hash_bytes(1, data, size);
        CHECK(plain != mg_hash_bytes(2, data, size));
        CHECK(plain != mg_hash_bytes(1, data, size + 1));
        for (size_t i = 0; i < size; i++) {
            data[i] = 1;
            CHECK(plain != mg_hash_bytes(1, data, size));
            data[i] = 0;
        }
    }
    CHECK(mg_hash_combine(1, 2) != mg_hash_combine(2, 1));
}

int main(void)
{
    nodes_come_and_go();
    equal_hashes_share_a_chain();
    hashes_depend_on_seed_size_and_every_byte();
    puts("hash_table_test: ok");
}
