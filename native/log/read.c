/* read.c -- reading by offset. Any thread, no locks; see retired.h and segment.h.
 *
 * A sequential reader costs no search: where a slice ended is remembered in the
 * segment. A slice that takes all that is there needs no look at its end. What
 * is left, the first read of a reader and an end in the middle, costs an index
 * search and a walk over at most an index interval of headers.
 */
#include "log/state.h"

#include "log/names.h"
#include "log/walk.h"

enum {
    /* Residency is asked of one byte in so many: a probe costs a third of a microsecond, and what
     * is evicted goes in larger pieces. */
    PROBE_STEP = 512 * 1024,
    /* Written last, so in memory unless somebody dropped the page cache: one probe is enough. */
    HOT_TAIL_SIZE = 16 * 1024 * 1024,
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One segment as the reader sees it, unchanging while it looks. */
typedef struct reading {
    mg_log *log;
    mg_segment *segment;
    int64_t size;         /* published */
    int64_t next_base;    /* one past the last offset that can be here */
    int64_t offset;       /* asked for */
    int64_t limit_offset; /* exclusive */
    size_t size_max;
    unsigned flags; /* mg_read_flags */
    bool is_active;
} reading;

static unsigned file_flags(const reading *range)
{
    return (range->flags & MG_READ_NO_WAIT) != 0 ? MG_FILE_NO_WAIT : 0;
}

/* An index entry is believed once the batch there ends with the entry's offset. */
static bool entry_is_true(const mg_segment *segment, mg_offset_entry entry,
                          const mg_batch_header *header)
{
    return mg_batch_last_offset(header) == segment->base_offset + entry.relative_offset;
}

/* A walk that stands at the entry's batch, or at the beginning where the entry lies. */
static mg_status begin_walk(mg_walk *walk, const mg_segment *segment, mg_offset_entry entry,
                            int64_t size, unsigned flags, mg_batch_header *header, mg_error *error)
{
    /* From a file: it may say anything. */
    int64_t position = entry.position > 0 && entry.position < size ? entry.position : 0;
    mg_walk_init(walk, segment->log_file.file, position, size, flags);
    mg_status status = mg_walk_peek(walk, header, NULL, error);
    if (position == 0) return status;
    if (status == MG_OK && entry_is_true(segment, entry, header)) return MG_OK;
    if (status != MG_OK && status != MG_CORRUPT && status != MG_UNSUPPORTED) return status;
    mg_walk_init(walk, segment->log_file.file, 0, size, flags);
    return mg_walk_peek(walk, header, NULL, error);
}

mg_status mg_log_seek(const mg_log *log, mg_segment *segment, int64_t offset, unsigned flags,
                      mg_walk *walk, mg_batch_header *header, mg_error *error)
{
    mg_offset_entry entry;
    int64_t size = mg_segment_size(segment);
    mg_status status = mg_segment_find(segment, log->directory, offset - segment->base_offset,
                                       size - 1, flags, &entry, error);
    if (status != MG_OK) return status;
    status = begin_walk(walk, segment, entry, size, flags, header, error);
    while (status == MG_OK && mg_batch_last_offset(header) < offset) {
        mg_walk_skip(walk, header);
        status = mg_walk_peek(walk, header, NULL, error);
    }
    return status;
}

static mg_status fail_in_gap(const reading *range, mg_error *error)
{
    return mg_fail(error, MG_CORRUPT, 0, "offset %lld lies in a gap that damage left",
                   (long long)range->offset);
}

/* The position of the batch that holds the offset. MG_NOT_FOUND: in no batch of this segment. */
static mg_status find_begin(const reading *range, int64_t *position, mg_error *error)
{
    mg_segment *segment = range->segment;
    bool may_recall = segment->damaged_count == 0;
    if (may_recall && mg_segment_recall(segment, range->offset, position) &&
        *position < range->size) {
        return MG_OK;
    }
    mg_batch_header header;
    mg_walk walk;
    mg_status status =
        mg_log_seek(range->log, segment, range->offset, file_flags(range), &walk, &header, error);
    if (status != MG_OK && status != MG_NOT_FOUND) return status;
    bool in_gap = status == MG_NOT_FOUND || header.base_offset > range->offset;
    if (in_gap && mg_segment_is_damaged_at(segment, walk.position)) {
        return fail_in_gap(range, error);
    }
    /* The appender may have gone on since the end was looked at. */
    if (status == MG_OK && walk.position >= range->size) return MG_NOT_FOUND;
    if (status == MG_OK) *position = walk.position;
    return status;
}

/* The first place behind `begin` at which bytes are missing. A slice ends there, so that the next
 * read runs into the gap and says so. */
static int64_t damage_after(const mg_segment *segment, int64_t begin)
{
    for (size_t i = 0; i < segment->damaged_count; i++) {
        if (segment->damaged[i] > begin) return segment->damaged[i];
    }
    return INT64_MAX;
}

/* Where the slice ends that begins at `begin`: the last whole batch within both limits. */
static mg_status find_end(const reading *range, int64_t begin, int64_t limit_position, int64_t *end,
                          int64_t *next_offset, mg_error *error)
{
    mg_segment *segment = range->segment;
    mg_offset_entry entry;
    unsigned flags = file_flags(range);
    int64_t near =
        smaller(smaller(limit_position, range->size - 1), damage_after(segment, begin) - 1);
    mg_status status =
        mg_segment_find(segment, range->log->directory,
                        range->limit_offset - 1 - segment->base_offset, near, flags, &entry, error);
    if (status != MG_OK) return status;
    mg_walk walk;
    mg_batch_header header;
    if (entry.position <= begin) {
        mg_walk_init(&walk, segment->log_file.file, begin, range->size, flags);
        status = mg_walk_peek(&walk, &header, NULL, error);
    } else {
        status = begin_walk(&walk, segment, entry, range->size, flags, &header, error);
        if (status == MG_OK && walk.position < begin) {
            mg_walk_init(&walk, segment->log_file.file, begin, range->size, flags);
            status = mg_walk_peek(&walk, &header, NULL, error);
        }
    }
    *next_offset = range->offset;
    if (status == MG_OK && walk.position > begin) *next_offset = header.base_offset;
    while (status == MG_OK && mg_batch_last_offset(&header) < range->limit_offset) {
        bool fits = walk.position + header.size <= limit_position;
        bool is_first = walk.position == begin && (range->flags & MG_READ_AT_LEAST_ONE) != 0;
        if (!fits && !is_first) break;
        *next_offset = mg_batch_last_offset(&header) + 1;
        mg_walk_skip(&walk, &header);
        if (walk.position >= limit_position) break;
        if (mg_segment_is_damaged_at(segment, walk.position)) break;
        status = mg_walk_peek(&walk, &header, NULL, error);
    }
    if (status != MG_OK && status != MG_NOT_FOUND) return status;
    *end = walk.position;
    return MG_OK;
}

/* MG_WOULD_BLOCK unless the bytes are in memory, as far as a few probes can tell. */
static mg_status probe(const reading *range, int64_t begin, int64_t end, mg_error *error)
{
    bool is_hot = range->is_active && range->size - begin <= HOT_TAIL_SIZE;
    int64_t step = is_hot ? end - begin : PROBE_STEP;
    for (int64_t position = end - 1; position >= begin; position -= step) {
        uint8_t byte = 0;
        size_t got = 0;
        mg_status status = mg_file_read(range->segment->log_file.file, position, &byte, 1,
                                        MG_FILE_NO_WAIT, &got, error);
        if (status != MG_OK) return status;
        if (got != 1) return mg_fail(error, MG_CORRUPT, 0, "segment file ends early");
    }
    return MG_OK;
}

/* The log file is pinned; the pin goes to the slice where it is not empty. */
static mg_status slice_segment(const reading *range, mg_log_slice *slice, mg_error *error)
{
    int64_t begin = 0;
    mg_status status = find_begin(range, &begin, error);
    if (status != MG_OK) return status;
    int64_t left = range->size - begin;
    int64_t end = range->size;
    int64_t next_offset = range->next_base;
    bool is_all = left <= (int64_t)range->size_max && range->limit_offset >= range->next_base &&
                  damage_after(range->segment, begin) > range->size;
    if (!is_all) {
        int64_t limit_position = range->size;
        if (left > (int64_t)range->size_max) limit_position = begin + (int64_t)range->size_max;
        status = find_end(range, begin, limit_position, &end, &next_offset, error);
        if (status != MG_OK) return status;
    }
    if (end > begin && next_offset <= range->offset) { /* who follows it would never arrive */
        return mg_fail(error, MG_CORRUPT, 0, "the batch at position %lld ends below offset %lld",
                       (long long)begin, (long long)range->offset);
    }
    if ((range->flags & MG_READ_NO_WAIT) != 0 && end > begin) {
        status = probe(range, begin, end, error);
        if (status != MG_OK) return status;
    }
    slice->segment = range->segment;
    slice->fd = mg_file_fd(range->segment->log_file.file);
    slice->position = begin;
    slice->size = (size_t)(end - begin);
    slice->next_offset = next_offset;
    bool goes_on_here = end < range->size || range->is_active;
    if (goes_on_here && end > begin) mg_segment_remember(range->segment, next_offset, end);
    return MG_OK;
}

static void give_nothing(mg_log_slice *slice, int64_t offset)
{
    *slice = (mg_log_slice){.segment = NULL, .fd = -1, .size = 0, .next_offset = offset};
}

/* MG_NOT_FOUND: the offset is in no batch here, look in the next segment. */
static mg_status read_segment(reading *range, mg_log_slice *slice, mg_error *error)
{
    mg_segment *segment = range->segment;
    mg_status status = mg_segment_pin(segment, &segment->log_file, range->log->directory,
                                      MG_LOG_SUFFIX, file_flags(range), error);
    if (status != MG_OK) return status;
    mg_log_slice found;
    status = slice_segment(range, &found, error);
    if (status == MG_OK && found.size > 0) {
        *slice = found;
        return MG_OK;
    }
    mg_pooled_unpin(&segment->log_file);
    if (status == MG_OK) give_nothing(slice, range->offset);
    return status;
}

/* One look at the published list; MG_CLOSED: it changed underneath. The reader is inside. */
static mg_status read_once(reading *range, mg_log_slice *slice, mg_error *error)
{
    mg_log *log = range->log;
    int64_t start_offset = atomic_load_explicit(&log->start_offset, memory_order_acquire);
    const mg_segment_list *list = mg_log_list(log);
    const mg_segment *active = mg_segment_list_last(list);
    uint64_t end_word = mg_segment_end(active);
    int64_t end_offset = active->base_offset + mg_segment_word_relative_end(end_word);
    size_t slot = 0;
    if (range->offset < start_offset || range->offset > end_offset ||
        !mg_segment_list_find(list, range->offset, &slot)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "offset %lld is not within [%lld, %lld]",
                       (long long)range->offset, (long long)start_offset, (long long)end_offset);
    }
    range->limit_offset = smaller(range->limit_offset, end_offset);
    if (range->offset >= range->limit_offset) {
        give_nothing(slice, range->offset);
        return MG_OK;
    }
    mg_status status = MG_NOT_FOUND;
    for (; slot < list->count && status == MG_NOT_FOUND; slot++) {
        range->segment = list->segments[slot];
        range->is_active = slot + 1 == list->count;
        range->size =
            range->is_active ? mg_segment_word_size(end_word) : mg_segment_size(range->segment);
        range->next_base = range->is_active ? end_offset : list->segments[slot + 1]->base_offset;
        bool is_all_gap = range->size == 0 && range->segment->damaged_count > 0;
        if (range->size > 0) status = read_segment(range, slice, error);
        if (is_all_gap) status = fail_in_gap(range, error);
    }
    if (status != MG_NOT_FOUND) return status;
    give_nothing(slice, range->offset); /* nothing but a gap up to the end */
    return MG_OK;
}

mg_status mg_log_read(mg_log *log, int64_t offset, int64_t end_offset, size_t size_max,
                      unsigned flags, mg_log_slice *slice, mg_error *error)
{
    mg_status status = MG_CLOSED;
    mg_readers_enter(&log->readers);
    for (int look = 0; look < MG_LOOKS_MAX && status == MG_CLOSED; look++) {
        if (look > 0) status = mg_log_refresh(log, 0, error);
        if (look > 0 && status != MG_OK) break;
        reading range = {.log = log,
                         .offset = offset,
                         .limit_offset = end_offset,
                         .size_max = size_max < INT32_MAX ? size_max : INT32_MAX,
                         .flags = flags};
        status = read_once(&range, slice, error);
    }
    mg_readers_leave(&log->readers);
    if (status == MG_CLOSED) return mg_fail(error, MG_BUSY, 0, "segments change all the time");
    return status;
}

mg_status mg_log_slice_copy(const mg_log_slice *slice, size_t from, size_t size, uint8_t *out,
                            mg_error *error)
{
    MG_ASSERT(from <= slice->size);
    MG_ASSERT(size <= slice->size - from);
    if (size == 0) return MG_OK;
    size_t got = 0;
    mg_status status = mg_file_read(slice->segment->log_file.file, slice->position + (int64_t)from,
                                    out, size, 0, &got, error);
    if (status != MG_OK) return status;
    if (got != size) return mg_fail(error, MG_IO, 0, "segment file ends early");
    return MG_OK;
}

void mg_log_slice_release(mg_log_slice *slice)
{
    if (slice->segment != NULL) mg_pooled_unpin(&slice->segment->log_file);
    slice->segment = NULL;
    slice->size = 0;
}
