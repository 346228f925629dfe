/* Damages the files of a log at random places and holds what is then read against what was written.
 *
 *     damage_test [COUNT [SEED]]    a failure prints the line that replays it
 *
 * Bits flip, bytes become zeros or garbage, blocks are swapped, repeated, inserted and taken out,
 * files are cut, grown and removed: segments, indexes, snapshots and epochs. Then the log is looked
 * at (inspect.h), opened after a clean stop or a crash, with any recovery point, read from the
 * beginning to the end, closed, sometimes damaged again. What must hold:
 *
 *   no crash, no read past anything       (the sanitizers' part)
 *   no wrong record                       a batch whose checksum is right is the one that was
 *                                         written at its offset, byte for byte
 *   no silent loss                        a batch that is not read was reported: by the recovery,
 *                                         by the read, or by the look before
 *   repaired is sound                     after a start that checked all, a look finds no fault
 *   a gap stays known                     what was lost once is MG_CORRUPT in every later start
 */
#include "log/damage.h"
#include "log/inspect.h"
#include "rig.h"

#include <signal.h>
#include <stdlib.h>

enum {
    FILES_MAX = 64,
    FILE_SIZE_MAX = 64 * 1024,
    BATCHES_MAX = 64,
    BATCH_ROOM = 2048,
    DEFAULT_COUNT = 1500,
};

/* ---- Chance ---- */

static uint64_t current; /* the seed of the case */

static void tell_seed(int signal_number)
{
    (void)signal_number;
    fprintf(stderr, "replay with: damage_test 1 %llu\n", (unsigned long long)current);
}

static uint64_t chance;

static uint64_t draw(void)
{
    chance += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = chance;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(draw() % limit);
}

static bool one_in(size_t n)
{
    return below(n) == 0;
}

/* ---- What was written ---- */

typedef struct image {
    char name[MG_NAME_SIZE];
    uint8_t *bytes;
    size_t size;
    bool is_there;
} image;

typedef struct written_batch {
    int64_t base_offset;
    int64_t next_offset;
    size_t size;
    uint8_t bytes[BATCH_ROOM];
} written_batch;

static image originals[FILES_MAX];
static size_t files_count;
static written_batch batches[BATCHES_MAX];
static size_t batches_count;
static int64_t written_end;
static mg_log_config config;

static void append_numbered(rig *r, int i)
{
    static uint8_t memory[BATCH_ROOM];
    uint8_t value[512];
    int64_t base = mg_log_end_offset(r->log);
    mg_builder builder = mg_builder_over(memory, sizeof memory, NOW_MS + i);
    int records = 1 + i % 4;
    for (int k = 0; k < records; k++) {
        size_t size = 10 + (size_t)((i * 37 + k * 11) % 250);
        for (size_t at = 0; at < size; at++)
            value[at] = (uint8_t)((base + k) * 131 + (int64_t)at * 7);
        mg_record_parts parts = {.timestamp = NOW_MS + i + k, .value = {value, size}};
        if (k % 2 == 0) parts.key = (mg_span){.data = value, .size = 5};
        CHECK(mg_builder_add(&builder, &parts));
    }
    mg_log_item item = {.batch = memory, .header = mg_batch_header_blank()};
    mg_builder_finish(&builder, &item.header);
    CHECK(append_item(r, &item, i / 14) == MG_OK && item.base_offset == base);
    written_batch *kept = &batches[batches_count++];
    *kept = (written_batch){.base_offset = base, .next_offset = base + records};
    kept->size = (size_t)item.header.size;
    memcpy(kept->bytes, memory, kept->size);
}

static mg_status note_file(void *context, const char *name, mg_error *error)
{
    (void)context;
    (void)error;
    CHECK(files_count < FILES_MAX);
    image *kept = &originals[files_count++];
    (void)snprintf(kept->name, sizeof kept->name, "%s", name);
    return MG_OK;
}

static void write_original(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 6000;
    r.config.index_interval_size = 300;
    config = r.config;
    rig_open(&r);
    for (int i = 0; i < 56; i++)
        append_numbered(&r, i);
    written_end = mg_log_end_offset(r.log);
    CHECK(mg_log_segment_count(r.log) >= 4);
    rig_close_log(&r);
    CHECK(mg_files_list(r.files, DIRECTORY, note_file, NULL, NULL) == MG_OK);
    for (size_t i = 0; i < files_count; i++) {
        originals[i].bytes = malloc(FILE_SIZE_MAX);
        originals[i].is_there = true;
        originals[i].size = load_file(&r, originals[i].name, originals[i].bytes, FILE_SIZE_MAX);
    }
    rig_end(&r);
}

/* ---- Damage ---- */

static image files[FILES_MAX];
static uint8_t scratch[2 * FILE_SIZE_MAX];

static void take_originals(void)
{
    for (size_t i = 0; i < files_count; i++) {
        if (files[i].bytes == NULL) files[i].bytes = malloc(2 * FILE_SIZE_MAX);
        memcpy(files[i].name, originals[i].name, MG_NAME_SIZE);
        memcpy(files[i].bytes, originals[i].bytes, originals[i].size);
        files[i].size = originals[i].size;
        files[i].is_there = true;
    }
}

static size_t block_size(void)
{
    static const size_t sizes[] = {1, 8, 61, 64, 300, 512, 4096};
    return sizes[below(sizeof sizes / sizeof *sizes)];
}

static void insert_bytes(image *file, size_t at, const uint8_t *bytes, size_t size)
{
    if (file->size + size > FILE_SIZE_MAX) return;
    memmove(file->bytes + at + size, file->bytes + at, file->size - at);
    memcpy(file->bytes + at, bytes, size);
    file->size += size;
}

static void fill_scratch(size_t size)
{
    for (size_t i = 0; i < size; i++)
        scratch[i] = (uint8_t)draw();
}

/* A whole batch of the file, or any block where it has none. */
static size_t pick_block(const image *file, size_t *size)
{
    *size = block_size();
    size_t at = below(file->size);
    if (strstr(file->name, MG_LOG_SUFFIX) != NULL && one_in(2)) {
        size_t steps = below(20);
        at = 0;
        *size = 0;
        for (size_t step = 0; at + *size + MG_BATCH_HEADER_SIZE <= file->size; step++) {
            at += *size;
            *size = (size_t)mg_load_u32(file->bytes + at + 8) + 12;
            if (step == steps) break;
        }
    }
    if (at + *size > file->size) *size = file->size - at;
    return at;
}

static void damage(image *file)
{
    if (!file->is_there) return;
    size_t size = 0;
    size_t at = pick_block(file, &size);
    size_t other_size = 0;
    size_t other = pick_block(file, &other_size);
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
        if (file->size > 0) file->bytes[below(file->size)] ^= (uint8_t)(1u << below(8));
        break;
    case 3:
        memset(file->bytes + at, 0, size);
        break;
    case 4:
        file->size = below(file->size + 1);
        break;
    case 5:
        memset(scratch, 0, sizeof scratch);
        insert_bytes(file, file->size, scratch, below(5000));
        break;
    case 6:
        fill_scratch(size);
        insert_bytes(file, one_in(2) ? file->size : at, scratch, size);
        break;
    case 7:
        fill_scratch(size);
        memcpy(file->bytes + at, scratch, size);
        break;
    case 8: /* swap two blocks of one size */
        if (other_size < size) size = other_size;
        if (at + size > other && other + size > at) break;
        memcpy(scratch, file->bytes + at, size);
        memcpy(file->bytes + at, file->bytes + other, size);
        memcpy(file->bytes + other, scratch, size);
        break;
    case 9: /* repeat one, in between or over another */
        memcpy(scratch, file->bytes + at, size);
        if (one_in(2)) {
            insert_bytes(file, other, scratch, size);
        } else {
            if (other + size > file->size) size = file->size - other;
            memcpy(file->bytes + other, scratch, size);
        }
        break;
    case 10: /* take one out */
        memmove(file->bytes + at, file->bytes + at + size, file->size - at - size);
        file->size -= size;
        break;
    default:
        if (one_in(4)) file->is_there = false;
        break;
    }
}

static void damage_some(size_t count)
{
    for (size_t done = 0; done < count; done++) {
        size_t which = below(files_count);
        /* Half of it goes where the records are. */
        while (one_in(2) && strstr(files[which].name, MG_LOG_SUFFIX) == NULL)
            which = below(files_count);
        damage(&files[which]);
    }
}

static rig put_files(void)
{
    rig r = rig_make();
    r.config = config;
    CHECK(mg_files_make_directory(r.files, DIRECTORY, NULL) == MG_OK);
    for (size_t i = 0; i < files_count; i++) {
        if (files[i].is_there) store_file(&r, files[i].name, files[i].bytes, files[i].size);
    }
    return r;
}

/* ---- Looking ---- */

typedef struct look {
    int64_t bases[FILES_MAX];
    size_t count;
    int64_t faults;
    int64_t epochs; /* of the faults: a leader epoch that is not its neighbours' */
    int64_t gaps;
} look;

static mg_status note_base(void *context, const char *name, mg_error *error)
{
    (void)error;
    look *seen = context;
    if (strlen(name) != MG_BASE_DIGITS + 4 || strcmp(name + MG_BASE_DIGITS, MG_LOG_SUFFIX) != 0) {
        return MG_OK;
    }
    seen->bases[seen->count++] = strtoll(name, NULL, 10);
    return MG_OK;
}

static int compare(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* What `meghna log verify` sees of the segments; `end` is where checkpoints say that it ends. */
static look look_at(rig *r, int64_t end)
{
    static mg_inspect inspect;
    look seen = {.count = 0};
    CHECK(mg_files_list(r->files, DIRECTORY, note_base, &seen, NULL) == MG_OK);
    qsort(seen.bases, seen.count, sizeof *seen.bases, compare);
    if (seen.count == 0 || seen.bases[0] > 0) seen.gaps++;
    int64_t reached = 0;
    for (size_t i = 0; i < seen.count; i++) {
        bool is_last = i + 1 == seen.count;
        mg_inspect_range range = {.base_offset = seen.bases[i],
                                  .next_base = is_last ? INT64_MAX : seen.bases[i + 1],
                                  .checks_indexes = true};
        CHECK(mg_inspect_open(&inspect, r->files, DIRECTORY, &range, &r->error) == MG_OK);
        while (!inspect.is_done) {
            CHECK(mg_inspect_step(&inspect, 4096, &r->error) == MG_OK);
            for (size_t k = 0; k < inspect.finds_count; k++) {
                seen.faults += inspect.finds[k].kind >= MG_INSPECT_DAMAGED;
                seen.epochs += inspect.finds[k].kind == MG_INSPECT_EPOCH;
                seen.gaps += inspect.finds[k].kind == MG_INSPECT_GAP;
            }
        }
        reached = inspect.totals.end_offset;
        if (!is_last && reached < seen.bases[i + 1]) seen.gaps++;
        mg_inspect_close(&inspect);
    }
    if (reached != end) seen.gaps++;
    return seen;
}

/* ---- Reading ---- */

typedef enum fate {
    LOST,     /* not read, nothing said */
    REPORTED, /* the read said that it is damaged */
    READ,
} fate;

typedef struct reading {
    fate fates[BATCHES_MAX];
    int64_t wrong; /* batches with a right checksum that are not what was written there */
} reading;

static written_batch *batch_at(int64_t offset)
{
    for (size_t i = 0; i < batches_count; i++) {
        if (offset >= batches[i].base_offset && offset < batches[i].next_offset) return &batches[i];
    }
    return NULL;
}

/* A later answer does not unsay an earlier: what was read once was read. */
static void mark(reading *seen, int64_t from, int64_t to, fate to_say)
{
    for (size_t i = 0; i < batches_count; i++) {
        bool touches = batches[i].base_offset < to && batches[i].next_offset > from;
        if (touches && seen->fates[i] < to_say) seen->fates[i] = to_say;
    }
}

static bool is_original(const uint8_t *bytes, const mg_batch_header *header)
{
    const written_batch *original = batch_at(header->base_offset);
    if (original == NULL || original->base_offset != header->base_offset) return false;
    if (original->size != (size_t)header->size) return false;
    /* The leader epoch is outside the checksum and no part of a record. */
    return memcmp(bytes, original->bytes, 12) == 0 &&
           memcmp(bytes + 16, original->bytes + 16, original->size - 16) == 0;
}

static void take_slice(reading *seen, const uint8_t *bytes, size_t size, int64_t from, int64_t to)
{
    for (size_t at = 0; at < size;) {
        mg_batch_header header;
        mg_span left = {.data = bytes + at, .size = size - at};
        if (mg_batch_check(left, &header) != MG_OK) {
            mark(seen, from, to, REPORTED); /* every client checks, and stops here */
            return;
        }
        if (is_original(bytes + at, &header)) {
            mark(seen, header.base_offset, mg_batch_last_offset(&header) + 1, READ);
        } else {
            seen->wrong++;
        }
        from = mg_batch_last_offset(&header) + 1;
        at += (size_t)header.size;
    }
}

static reading read_log(rig *r)
{
    static uint8_t out[1 << 20];
    reading seen = {.wrong = 0};
    int64_t offset = mg_log_start_offset(r->log);
    size_t size_max = one_in(2) ? sizeof out : 1 + below(3000);
    while (offset < mg_log_end_offset(r->log)) {
        mg_log_slice slice;
        mg_status status = mg_log_read(r->log, offset, INT64_MAX, size_max, MG_READ_AT_LEAST_ONE,
                                       &slice, &r->error);
        /* A damaged byte can make a header one of format 0 or 1. */
        if (status == MG_CORRUPT || status == MG_UNSUPPORTED) {
            mark(&seen, offset, offset + 1, REPORTED);
            offset++;
            if (offset > 2 * written_end) break; /* a forged end */
            continue;
        }
        if (status != MG_OK) fprintf(stderr, "read %lld: %s\n", (long long)offset, r->error.detail);
        CHECK(status == MG_OK);
        if (slice.size == 0) break;
        CHECK(slice.size <= sizeof out && slice.next_offset > offset);
        CHECK(mg_log_slice_copy(&slice, 0, slice.size, out, &r->error) == MG_OK);
        take_slice(&seen, out, slice.size, offset, slice.next_offset);
        offset = slice.next_offset;
        mg_log_slice_release(&slice);
    }
    return seen;
}

static size_t count_fates(const reading *seen, fate wanted)
{
    size_t found = 0;
    for (size_t i = 0; i < batches_count; i++)
        found += seen->fates[i] == wanted;
    return found;
}

/* ---- One case ---- */

static struct {
    int64_t cases, refused, untouched, reported_by_open, reported_by_read, seen_by_look_only;
    int64_t wrong_offset_seen_by_look, again;
} tally;

static void look_at_times(rig *r)
{
    mg_log_slice slice;
    for (int i = 0; i < 3; i++) {
        int64_t time = NOW_MS + (int64_t)below(70);
        if (mg_log_find_timestamp(r->log, time, &slice, NULL) == MG_OK)
            mg_log_slice_release(&slice);
    }
    if (mg_log_find_max_timestamp(r->log, &slice, NULL) == MG_OK) mg_log_slice_release(&slice);
}

static void read_beside(rig *r)
{
    mg_log *log = r->log;
    r->log = NULL;
    mg_log_start start = {.clean = one_in(2), .now_ms = NOW_MS};
    mg_status status =
        mg_log_open_read_only(&r->log, r->files, DIRECTORY, &r->config, &start, &r->error);
    if (status == MG_OK) {
        (void)read_log(r);
        rig_abandon(r);
    }
    r->log = log;
}

static bool check_case(rig *r, const look *before)
{
    reading seen = read_log(r);
    size_t lost = count_fates(&seen, LOST);
    int64_t said = r->report.cut_size + r->report.set_aside_size;
    bool looked = before->faults + before->gaps > 0;
    if (seen.wrong > 0) {
        tally.wrong_offset_seen_by_look++;
        CHECK(looked);
    }
    if (lost > 0 && said == 0) {
        tally.seen_by_look_only++;
        CHECK(looked);
    } else if (said > 0) {
        tally.reported_by_open++;
    } else if (count_fates(&seen, REPORTED) > 0) {
        tally.reported_by_read++;
    } else {
        tally.untouched++;
    }
    if (!looked) CHECK(lost == 0 && said == 0);
    return seen.wrong == 0;
}

static mg_status load_damaged(void *context, const char *name, mg_error *error)
{
    (void)error;
    if (files_count == FILES_MAX) return MG_OK;
    rig *r = context;
    image *file = &files[files_count++];
    if (file->bytes == NULL) file->bytes = malloc(2 * FILE_SIZE_MAX);
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->size = load_file(r, name, file->bytes, FILE_SIZE_MAX);
    file->is_there = file->size <= FILE_SIZE_MAX;
    return MG_OK;
}

/* Damages once more what a start left, and starts again: what was in a gap says so still. */
static void damage_again(rig *r, const reading *first)
{
    size_t count = files_count;
    files_count = 0;
    CHECK(mg_files_list(r->files, DIRECTORY, load_damaged, r, NULL) == MG_OK);
    size_t logs[FILES_MAX];
    size_t logs_count = 0;
    for (size_t i = 0; i < files_count; i++) {
        size_t size = strlen(files[i].name);
        if (strcmp(files[i].name + size - 4, MG_LOG_SUFFIX) == 0) logs[logs_count++] = i;
    }
    image *file = &files[logs[below(logs_count)]];
    if (file->size > 0) file->bytes[below(file->size)] ^= (uint8_t)(1u << below(8));
    rig second = put_files();
    second.start = (mg_log_start){.now_ms = NOW_MS};
    CHECK(rig_try_open(&second) == MG_OK);
    for (int round = 0; round < 2; round++) {
        reading seen = read_log(&second);
        for (size_t i = 0; i < batches_count; i++) {
            bool was_said = first->fates[i] == REPORTED && batches[i].next_offset < written_end / 2;
            if (was_said) CHECK(seen.fates[i] != LOST);
        }
        rig_close_log(&second);
        second.start.clean = true;
        CHECK(rig_try_open(&second) == MG_OK);
    }
    rig_end(&second);
    files_count = count;
    tally.again++;
}

static void run_case(void)
{
    tally.cases++;
    take_originals();
    damage_some(1 + below(one_in(3) ? 4 : 1));
    rig r = put_files();
    look before = look_at(&r, written_end);
    if (one_in(4)) read_beside(&r);
    int64_t points[] = {0, written_end / 2, written_end};
    r.start = (mg_log_start){
        .clean = one_in(2), .recovery_point = points[below(3)], .now_ms = NOW_MS};
    bool checks_all = !r.start.clean && r.start.recovery_point == 0;
    mg_status status = rig_try_open(&r);
    if (status != MG_OK) {
        /* A message of format 0 by chance: nothing is changed, and the error says so. */
        CHECK(status == MG_UNSUPPORTED && before.faults > 0);
        tally.refused++;
        rig_end(&r);
        return;
    }
    look_at_times(&r);
    bool is_true = check_case(&r, &before);
    reading seen = read_log(&r);
    rig_close_log(&r);
    if (checks_all) {
        look after = look_at(&r, written_end);
        CHECK(after.faults == after.epochs); /* which are outside the checksum, and no record's */
        if (is_true && one_in(3) && count_fates(&seen, LOST) == 0) damage_again(&r, &seen);
    }
    rig_end(&r);
}

static void names_say_what_is_missing(void)
{
    mg_damage damage;
    char suffix[MG_NAME_SIZE];
    CHECK(mg_damage_parse("00000000000000000100.120-122.damaged", &damage));
    CHECK(damage.base == 100 && damage.from == 120 && damage.to == 122);
    mg_damage_suffix(suffix, &damage, 0);
    CHECK(strcmp(suffix, ".120-122.damaged") == 0);
    mg_damage_suffix(suffix, &damage, 3);
    CHECK(strcmp(suffix, ".120-122.3.damaged") == 0);
    CHECK(mg_damage_parse("00000000000000000100.120-122.3.damaged", &damage));
    CHECK(!mg_damage_parse("00000000000000000100.99-122.damaged", &damage));
    CHECK(!mg_damage_parse("00000000000000000100.120-119.damaged", &damage));
    CHECK(!mg_damage_parse("00000000000000000100.120.damaged", &damage));
    CHECK(!mg_damage_parse("00000000000000000100.snapshot.damaged", &damage));
    CHECK(!mg_damage_parse("leader-epoch-checkpoint.damaged", &damage));
}

/* What was on disk for certain is not there: its offsets are not given out again. */
static void an_end_below_the_recovery_point_is_a_gap(void)
{
    for (int clean = 0; clean < 2; clean++) {
        take_originals();
        image *last = NULL;
        for (size_t i = 0; i < files_count; i++) {
            bool is_log = strcmp(files[i].name + MG_BASE_DIGITS, MG_LOG_SUFFIX) == 0;
            if (is_log && (last == NULL || strcmp(files[i].name, last->name) > 0)) last = &files[i];
        }
        last->size = 0;
        rig r = put_files();
        r.start = (mg_log_start){
            .clean = clean == 1, .recovery_point = written_end, .now_ms = NOW_MS};
        rig_open(&r);
        int64_t lost = batches[batches_count - 1].base_offset;
        for (int round = 0; round < 2; round++) {
            CHECK(mg_log_end_offset(r.log) >= written_end);
            CHECK(is_in_gap(&r, lost) && is_in_gap(&r, written_end - 1));
            CHECK(append(&r, (recipe){.records = 1}).base_offset == written_end + round);
            rig_reopen(&r);
        }
        rig_end(&r);
    }
}

int main(int count, char **arguments)
{
    int64_t cases = count > 1 ? strtoll(arguments[1], NULL, 10) : DEFAULT_COUNT;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    (void)signal(SIGABRT, tell_seed);
    names_say_what_is_missing();
    write_original();
    an_end_below_the_recovery_point_is_a_gap();
    for (int64_t i = 0; i < cases; i++) {
        chance = (seed + (uint64_t)i) * UINT64_C(0x2545f4914f6cdd1d);
        current = seed + (uint64_t)i;
        run_case();
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(files[i].bytes);
        free(originals[i].bytes);
    }
    printf("damage_test: ok: %lld cases; reported at the start %lld, by a read %lld, by a look "
           "alone %lld; nothing lost %lld; forged offsets seen by a look %lld; refused %lld; "
           "damaged again %lld\n",
           (long long)tally.cases, (long long)tally.reported_by_open,
           (long long)tally.reported_by_read, (long long)tally.seen_by_look_only,
           (long long)tally.untouched, (long long)tally.wrong_offset_seen_by_look,
           (long long)tally.refused, (long long)tally.again);
    return 0;
}
