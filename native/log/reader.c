#include "log/reader.h"

#include "log/names.h"
#include "log/state.h"

#include <stdlib.h>

enum {
    /* Brought in at once, ahead of the checksum: what a file was cut of or a disk cannot read is an
     * error instead of a signal. Twice as much each time, so that who reads little asks little of
     * a disk. */
    PREPARE_FIRST = 128 * 1024,
    PREPARE_MAX = 4 * 1024 * 1024,
    /* Read at once where nothing is mapped. */
    COPY_SIZE = 8 * 1024 * 1024,
};

struct mg_reader {
    mg_views_range range;
    unsigned flags;
    int64_t offset; /* everything below was given, or is not wanted */

    /* The window: whole batches of one segment. */
    mg_mapping *mapping;
    int64_t segment_base; /* its file's name */
    int64_t position;     /* of the next batch */
    int64_t end_position;
    int64_t end_offset;   /* where the window after this one begins */
    int64_t base_min;     /* of the next batch: their offsets ascend */
    int64_t prepared_end; /* position */
    int64_t prepare_size;

    /* The batch whose rows are being given. */
    bool has_source;
    bool is_packed; /* and its bytes are not yet opened */
    bool is_opened; /* its bytes are not the window's */
    mg_views_source source;
    int64_t source_end; /* position */

    /* What the views that were filled last may name of the window. */
    int64_t views_begin; /* position */
    int64_t views_end;
};

mg_status mg_reader_open(mg_reader **out, mg_log *log, const mg_views_range *range, unsigned flags,
                         mg_error *error)
{
    mg_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "reader");
    reader->range = *range;
    reader->flags = flags;
    reader->offset = range->start_offset;
    reader->prepare_size = PREPARE_FIRST;
    int64_t end_offset = mg_log_end_offset(log);
    if (reader->range.end_offset > end_offset) reader->range.end_offset = end_offset;
    *out = reader;
    return MG_OK;
}

void mg_reader_close(mg_reader *reader)
{
    if (reader == NULL) return;
    mg_mapping_release(reader->mapping);
    free(reader);
}

/* ---- Windows ---- */

/* The segment's mapping of at least `end` bytes, with a reference for the caller, or NULL. */
static mg_mapping *find_mapping(mg_log *log, const mg_segment *segment, int64_t end)
{
    (void)pthread_mutex_lock(&log->lock);
    mg_mapping *found = segment->mapping;
    if (found != NULL && (mg_mapping_end(found) < end || !mg_mapping_try_keep(found))) found = NULL;
    (void)pthread_mutex_unlock(&log->lock);
    return found;
}

static bool is_last(mg_log *log, const mg_segment *segment)
{
    mg_readers_enter(&log->readers);
    bool last = mg_segment_list_last(mg_log_list(log)) == segment;
    mg_readers_leave(&log->readers);
    return last;
}

/* The segment is pinned. One that grows is mapped as large as it may become. */
static mg_status map_segment(mg_log *log, mg_segment *segment, int64_t end, mg_mapping **out,
                             mg_error *error)
{
    *out = find_mapping(log, segment, end);
    if (*out != NULL) return MG_OK;
    int64_t size = end;
    int64_t size_max = atomic_load(&log->segment_size_max);
    if (size < size_max && is_last(log, segment)) size = size_max;
    mg_mapping *fresh = NULL;
    mg_status status = mg_mapping_open(&fresh, segment->log_file.file, size, error);
    if (status != MG_OK) return status;
    mg_mapping_watch(fresh);
    (void)pthread_mutex_lock(&log->lock);
    mg_mapping *old = segment->mapping; /* of two readers that map at once, the later is found */
    segment->mapping = fresh;
    (void)pthread_mutex_unlock(&log->lock);
    mg_mapping_unwatch(old);
    *out = fresh;
    return MG_OK;
}

static mg_status load_slice(const mg_reader *reader, mg_log *log, const mg_log_slice *slice,
                            mg_mapping **out, mg_error *error)
{
    int64_t end = slice->position + (int64_t)slice->size;
    if ((reader->flags & MG_READER_COPY) == 0 && slice->fd >= 0) {
        return map_segment(log, slice->segment, end, out, error);
    }
    return mg_mapping_open_copy(out, slice->segment->log_file.file, slice->position,
                                (int64_t)slice->size, error);
}

/* Raises reader->offset to where something as late as the range's start may be. */
static mg_status pass_early(mg_reader *reader, mg_log *log, mg_error *error)
{
    if (reader->range.start_time == INT64_MIN) return MG_OK;
    mg_log_slice batch;
    mg_status status = mg_log_find_timestamp_from(log, reader->offset, reader->range.start_time,
                                                  &batch, error);
    if (status == MG_NOT_FOUND) {
        reader->offset = reader->range.end_offset;
        return MG_OK;
    }
    if (status != MG_OK) return status;
    uint8_t bytes[MG_BATCH_HEADER_SIZE];
    mg_batch_header header;
    status = mg_log_slice_copy(&batch, 0, sizeof bytes, bytes, error);
    mg_log_slice_release(&batch);
    if (status != MG_OK) return status;
    status = mg_batch_header_decode((mg_span){.data = bytes, .size = sizeof bytes}, &header);
    if (status != MG_OK) return mg_fail(error, status, 0, "no batch where one was found by time");
    if (header.base_offset > reader->offset) reader->offset = header.base_offset;
    return MG_OK;
}

/* The next window, or an empty one at the end. */
static mg_status load_window(mg_reader *reader, mg_log *log, mg_error *error)
{
    mg_status status = pass_early(reader, log, error);
    if (status != MG_OK) return status;
    reader->position = reader->end_position = 0;
    if (reader->offset >= reader->range.end_offset) return MG_OK;
    mg_log_slice slice;
    mg_error trouble = {.os_error = 0};
    bool is_copy = (reader->flags & MG_READER_COPY) != 0;
    size_t size_max = is_copy ? COPY_SIZE : INT32_MAX;
    status = mg_log_read(log, reader->offset, INT64_MAX, size_max, MG_READ_AT_LEAST_ONE, &slice,
                         &trouble);
    if (status != MG_OK) {
        return mg_fail(error, status, trouble.os_error, "%.100s, in %.80s", trouble.detail,
                       log->directory);
    }
    if (slice.size == 0) { /* a gap up to the end */
        reader->offset = reader->range.end_offset;
        return MG_OK;
    }
    mg_mapping *mapping = NULL;
    status = load_slice(reader, log, &slice, &mapping, error);
    if (status == MG_OK) {
        mg_mapping_release(reader->mapping);
        reader->mapping = mapping;
        reader->segment_base = slice.segment->base_offset;
        reader->position = slice.position;
        reader->end_position = slice.position + (int64_t)slice.size;
        reader->end_offset = slice.next_offset;
        reader->base_min = reader->segment_base;
        reader->prepared_end = slice.position;
    }
    mg_log_slice_release(&slice);
    return status;
}

/* Of the window, at least `size` bytes from the next batch on, or all that are left. */
static mg_status prepare(mg_reader *reader, int64_t size, mg_error *error)
{
    int64_t needed = reader->position + size;
    if (needed > reader->end_position) needed = reader->end_position;
    if (needed <= reader->prepared_end) return MG_OK;
    int64_t end = reader->prepared_end + reader->prepare_size;
    if (end < needed) end = needed;
    if (end > reader->end_position) end = reader->end_position;
    mg_status status = mg_mapping_prepare(reader->mapping, reader->prepared_end,
                                          end - reader->prepared_end, error);
    if (status != MG_OK) return status;
    reader->prepared_end = end;
    if (reader->prepare_size < PREPARE_MAX) reader->prepare_size *= 2;
    return MG_OK;
}

/* ---- Batches ---- */

/* Says which batch it was; `why` names what is wrong with it. */
static mg_status fail_at_batch(const mg_reader *reader, const mg_log *log, mg_status status,
                               int64_t position, const char *why, mg_error *error)
{
    return mg_fail(error, status, 0, "offset %lld: %s, position %lld of %.80s/%020lld%s",
                   (long long)reader->offset, why, (long long)position, log->directory,
                   (long long)reader->segment_base, MG_LOG_SUFFIX);
}

static mg_span rest_of_window(const mg_reader *reader)
{
    int64_t size = reader->end_position - reader->position;
    return (mg_span){.data = mg_mapping_at(reader->mapping, reader->position),
                     .size = (size_t)size};
}

/* The base offset is outside the checksum. It is believed if it fits between its neighbours'; who
 * followed another one would skip records, or never arrive. */
static bool is_in_order(const mg_reader *reader, const mg_batch_header *header)
{
    int64_t last_offset = mg_batch_last_offset(header);
    if (header->base_offset < reader->base_min || last_offset < reader->offset) return false;
    int64_t next = reader->position + header->size;
    if (reader->end_position - next < MG_BATCH_HEADER_SIZE) return last_offset < reader->end_offset;
    uint64_t next_base = mg_load_u64(mg_mapping_at(reader->mapping, next));
    return (uint64_t)last_offset < next_base;
}

/* The batch at the reader's position, checked whole. */
static mg_status check_batch(mg_reader *reader, const mg_log *log, mg_batch_header *header,
                             mg_error *error)
{
    mg_span rest = rest_of_window(reader);
    mg_status status = prepare(reader, MG_BATCH_HEADER_SIZE, error);
    if (status != MG_OK) return status;
    header->size = 0;
    status = mg_batch_header_decode(rest, header);
    if (status == MG_CORRUPT && (header->magic == 0 || header->magic == 1)) {
        return fail_at_batch(reader, log, MG_UNSUPPORTED, reader->position,
                             "message format 0 or 1", error);
    }
    if (status == MG_OK && (size_t)header->size <= rest.size) {
        status = prepare(reader, (int64_t)header->size + MG_BATCH_HEADER_SIZE, error);
        if (status != MG_OK) return status;
        status = mg_batch_check(rest, header);
    } else {
        status = MG_CORRUPT;
    }
    if (status != MG_OK) {
        return fail_at_batch(reader, log, MG_CORRUPT, reader->position,
                             "a batch contradicts its checksum or format", error);
    }
    if (!is_in_order(reader, header)) {
        return fail_at_batch(reader, log, MG_CORRUPT, reader->position,
                             "a batch contradicts its neighbours' offsets", error);
    }
    return MG_OK;
}

static bool is_wanted(const mg_reader *reader, const mg_batch_header *header)
{
    if ((header->attributes & MG_BATCH_CONTROL) != 0 || header->record_count == 0) return false;
    if (header->max_timestamp < reader->range.start_time) return false;
    bool is_one_time = (header->attributes & MG_BATCH_APPEND_TIME) != 0;
    return !is_one_time || header->max_timestamp < reader->range.end_time;
}

static void leave_batch(mg_reader *reader)
{
    reader->has_source = false;
    reader->is_opened = false;
    reader->offset = mg_batch_last_offset(&reader->source.header) + 1;
    reader->base_min = reader->offset;
    reader->position = reader->source_end;
}

/* Takes up the next batch: afterwards there is a source, or the batch was passed over. */
static mg_status enter_batch(mg_reader *reader, const mg_log *log, mg_error *error)
{
    mg_batch_header header;
    mg_status status = check_batch(reader, log, &header, error);
    if (status != MG_OK) return status;
    mg_span payload = mg_batch_payload(rest_of_window(reader), &header);
    reader->source = mg_views_source_over(payload, &header, payload.data, 0);
    reader->source_end = reader->position + header.size;
    reader->has_source = true;
    reader->is_opened = false;
    reader->is_packed = mg_batch_codec(&header) != MG_CODEC_NONE;
    if (!is_wanted(reader, &header)) {
        reader->is_packed = false;
        leave_batch(reader);
    }
    return MG_OK;
}

static mg_status add_rows(mg_reader *reader, const mg_log *log, mg_views *views, mg_error *error)
{
    if (!reader->is_opened) {
        reader->source.base = mg_mapping_at(reader->mapping, reader->views_begin);
    }
    mg_error trouble;
    mg_status status = mg_views_add(views, &reader->source, &reader->range, &trouble);
    if (!reader->is_opened) reader->views_end = reader->source_end;
    if (status != MG_OK) {
        return fail_at_batch(reader, log, status, reader->position, trouble.detail, error);
    }
    if (mg_views_source_is_over(&reader->source)) leave_batch(reader);
    else reader->offset = reader->source.header.base_offset + reader->source.delta_min;
    return MG_OK;
}

/* Adds rows until the views are full, the window is over or a compressed batch comes. */
static mg_status fill(mg_reader *reader, const mg_log *log, mg_views *views, mg_error *error)
{
    while (views->count < views->room && !reader->is_packed) {
        mg_status status = MG_OK;
        if (!reader->has_source) {
            if (reader->offset >= reader->range.end_offset) return MG_OK;
            if (reader->position >= reader->end_position) return MG_OK;
            status = enter_batch(reader, log, error);
        } else {
            status = add_rows(reader, log, views, error);
        }
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

mg_status mg_reader_next(mg_reader *reader, mg_log *log, mg_views *views, mg_reader_step *step,
                         mg_error *error)
{
    MG_ASSERT(!reader->is_packed);
    mg_status status = MG_OK;
    if (!reader->has_source && reader->position >= reader->end_position) {
        MG_ASSERT(views->count == 0);
        status = load_window(reader, log, error);
        if (status != MG_OK) return status;
        if (reader->position >= reader->end_position) {
            *step = MG_READER_END;
            return MG_OK;
        }
    }
    if (views->count == 0) {
        reader->views_begin = reader->position;
        reader->views_end = reader->position;
    }
    status = fill(reader, log, views, error);
    if (status != MG_OK && views->count == 0) return status;
    if (reader->position >= reader->end_position && !reader->has_source &&
        reader->offset < reader->end_offset) {
        reader->offset = reader->end_offset;
    }
    *step = views->count > 0 ? MG_READER_ROWS : MG_READER_PASSED;
    if (reader->is_packed) *step = MG_READER_PACKED;
    if (*step == MG_READER_PASSED && reader->offset >= reader->range.end_offset) {
        *step = MG_READER_END;
    }
    return MG_OK;
}

/* ---- Compressed batches ---- */

mg_span mg_reader_packed(const mg_reader *reader, mg_codec_id *codec)
{
    MG_ASSERT(reader->is_packed);
    *codec = mg_batch_codec(&reader->source.header);
    return mg_batch_payload(rest_of_window(reader), &reader->source.header);
}

void mg_reader_open_packed(mg_reader *reader, mg_span plain, int32_t buffer_index)
{
    MG_ASSERT(reader->is_packed);
    MG_ASSERT(buffer_index > 0);
    reader->source =
        mg_views_source_over(plain, &reader->source.header, plain.data, buffer_index);
    reader->is_packed = false;
    reader->is_opened = true;
}

bool mg_reader_carry(mg_reader *reader, int32_t buffer_index)
{
    if (!reader->has_source || !reader->is_opened) return false;
    reader->source.buffer_index = buffer_index;
    return true;
}

/* ---- What the views name ---- */

mg_span mg_reader_window(const mg_reader *reader)
{
    if (reader->mapping == NULL) return (mg_span){.data = NULL, .size = 0};
    return (mg_span){.data = mg_mapping_at(reader->mapping, reader->views_begin),
                     .size = (size_t)(reader->views_end - reader->views_begin)};
}

mg_mapping *mg_reader_mapping(const mg_reader *reader)
{
    return reader->mapping;
}

int64_t mg_reader_offset(const mg_reader *reader)
{
    return reader->offset;
}
