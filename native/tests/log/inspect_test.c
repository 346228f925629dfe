#include "log/inspect.h"

#include "written.h"

typedef struct seen {
    int64_t faults;
    int64_t gaps;
    mg_inspect_find first; /* fault */
    mg_inspect_totals totals;
} seen;

static bool is_fault(const mg_inspect_find *found)
{
    return found->kind >= MG_INSPECT_DAMAGED;
}

static seen inspect_segment(rig *r, int n)
{
    static mg_inspect inspect;
    seen s = {.faults = 0};
    int64_t next_base = has_file(r, name_of(n + 1, ".log")) ? base_of(n + 1) : INT64_MAX;
    mg_inspect_range range = {
        .base_offset = base_of(n), .next_base = next_base, .checks_indexes = true};
    CHECK(mg_inspect_open(&inspect, r->files, DIRECTORY, &range, &r->error) == MG_OK);
    while (!inspect.is_done) {
        CHECK(mg_inspect_step(&inspect, 1000, &r->error) == MG_OK);
        for (size_t i = 0; i < inspect.finds_count; i++) {
            if (inspect.finds[i].kind == MG_INSPECT_GAP) s.gaps += inspect.finds[i].a;
            if (!is_fault(&inspect.finds[i])) continue;
            if (s.faults++ == 0) s.first = inspect.finds[i];
        }
    }
    s.totals = inspect.totals;
    mg_inspect_close(&inspect);
    return s;
}

static void what_we_wrote_is_sound(void)
{
    rig r = written();
    int64_t records = 0;
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        seen s = inspect_segment(&r, n);
        CHECK(s.faults == 0 && s.gaps == 0);
        CHECK(s.totals.first_offset == base_of(n));
        CHECK(s.totals.null_keys == s.totals.records);
        CHECK(s.totals.values[7] == s.totals.records); /* a hundred bytes each */
        records += s.totals.records;
    }
    CHECK(records == 2 * BATCHES);
    rig_end(&r);
}

/* Every bit of a segment: told, and where. The leader epoch may rise by a bit; that is told as
 * well, as an epoch that begins. */
static void a_flipped_bit_is_found(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
    size_t batch = batch_size_at(bytes);
    int64_t missed = 0;
    for (size_t bit = 0; bit < size * 8; bit += 5) {
        size_t at = bit / 8;
        bytes[at] ^= (uint8_t)(1 << bit % 8);
        store_file(&r, name_of(1, ".log"), bytes, size);
        seen s = inspect_segment(&r, 1);
        bytes[at] ^= (uint8_t)(1 << bit % 8);
        bool is_epoch = at % batch >= 12 && at % batch < 16;
        if (s.faults + s.gaps == 0) missed++;
        CHECK(s.faults + s.gaps > 0 || is_epoch);
        if (s.faults == 0 || is_epoch) continue;
        CHECK(s.first.position <= (int64_t)at);
    }
    CHECK(missed < (int64_t)size); /* epochs alone */
    rig_end(&r);
}

static void a_file_cut_anywhere_is_found(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
    size_t batch = batch_size_at(bytes);
    for (size_t cut = 1; cut < size; cut += 7) {
        store_file(&r, name_of(1, ".log"), bytes, cut);
        seen s = inspect_segment(&r, 1);
        CHECK(s.faults > 0); /* at least an index that reaches beyond it */
        if (cut % batch == 0) continue;
        CHECK(s.first.kind == MG_INSPECT_TORN);
        CHECK(s.first.position == (int64_t)(cut - cut % batch));
        CHECK(s.first.size == (int64_t)(cut % batch));
    }
    rig_end(&r);
}

static void an_index_that_lies_is_found(void)
{
    static const char *const suffixes[] = {".index", ".timeindex"};
    for (size_t which = 0; which < 2; which++) {
        rig r = written();
        size_t size = load_file(&r, name_of(1, suffixes[which]), bytes, sizeof bytes);
        CHECK(size > 0);
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            store_file(&r, name_of(1, suffixes[which]), bytes, size);
            CHECK(inspect_segment(&r, 1).faults > 0);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        rig_end(&r);
    }
}

static void a_batch_that_is_repeated_or_missing_is_found(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(1, ".log"), bytes, sizeof bytes);
    size_t batch = batch_size_at(bytes);
    store_file(&r, name_of(1, ".log"), bytes + batch, size - batch);
    seen s = inspect_segment(&r, 1);
    CHECK(s.gaps == 2 && s.totals.first_offset == base_of(1) + 2);
    memcpy(bytes + size, bytes + size - batch, batch);
    store_file(&r, name_of(1, ".log"), bytes, size + batch);
    s = inspect_segment(&r, 1);
    CHECK(s.faults == 1 && s.first.kind == MG_INSPECT_OFFSET);
    CHECK(s.first.position == (int64_t)size && s.first.a == s.first.offset - 2);
    rig_end(&r);
}

static void faults_without_end_are_told_in_steps(void)
{
    rig r = written();
    size_t size = load_file(&r, name_of(0, ".log"), bytes, sizeof bytes);
    memset(bytes + size, 0, sizeof bytes - size);
    store_file(&r, name_of(0, ".log"), bytes, sizeof bytes);
    memset(bytes, 0x11, sizeof bytes);
    store_file(&r, name_of(0, ".index"), bytes, sizeof bytes / 8 * 8);
    store_file(&r, name_of(0, ".timeindex"), bytes, sizeof bytes / 12 * 12);
    seen s = inspect_segment(&r, 0);
    CHECK(s.totals.bad_index_entries == sizeof bytes / 8);
    CHECK(s.faults == 1 + MG_INSPECT_ENTRIES_MAX); /* times behind the damage may be its own */
    rig_end(&r);
}

int main(void)
{
    what_we_wrote_is_sound();
    a_flipped_bit_is_found();
    a_file_cut_anywhere_is_found();
    an_index_that_lies_is_found();
    a_batch_that_is_repeated_or_missing_is_found();
    faults_without_end_are_told_in_steps();
    puts("inspect_test: ok");
}
