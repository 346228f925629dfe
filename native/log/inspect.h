/* inspect.h -- reads every byte of one segment and says what is wrong with it; changes nothing.
 *
 * Looks at each batch as recovery does (scan.h), and further: the structure of records that are
 * not compressed, honest times, offsets, leader epochs, and both index files against what they
 * point to. A compressed batch is given back to the caller, who can open it, and comes again
 * through mg_inspect_records.
 *
 *     mg_inspect_open(...);
 *     while (!inspect.is_done) mg_inspect_step(&inspect, bytes_max, &error), then take
 *     inspect.finds[0 .. inspect.finds_count)
 *
 * Memory is the window, the two index files, one batch where that is larger than the window, and
 * MG_INSPECT_FINDS. One thread at a time.
 */
#ifndef MG_LOG_INSPECT_H
#define MG_LOG_INSPECT_H

#include "log/scan.h"

enum {
    MG_INSPECT_FINDS = 1024,      /* room for a step's; a step ends when they are full */
    MG_INSPECT_SIZE_CLASSES = 32, /* of values: 0, 1, 2-3, 4-7, ... bytes */
    MG_INSPECT_CODECS = 8,        /* what three bits can name */
    MG_INSPECT_ENTRIES_MAX = 16,  /* bad entries of an index file that are told; all are counted */
    MG_INSPECT_OPEN_MAX = 4096,   /* transactions at once; beyond, none is missed in an index */
};

/* What was found at a place. `offset` is the batch's first, or the one that was expected there;
 * `a` and `b` as said here, 0 otherwise. */
typedef enum mg_inspect_kind {
    /* no faults: for the caller to go on with */
    MG_INSPECT_COMPRESSED,     /* a batch of `size` bytes to be opened */
    MG_INSPECT_EPOCH_BEGINS,   /* a: the leader epoch */
    MG_INSPECT_ABORT,          /* a marker; a: the producer, b: where its transaction's data begin
                                * here, or -1; size: what is stable behind it, by this segment */
    MG_INSPECT_GAP,            /* offsets are missing; a: how many, before this batch */
    /* faults of the segment */
    MG_INSPECT_DAMAGED,        /* `size` bytes; a: an mg_inspect_damage */
    MG_INSPECT_TORN,           /* the same, and nothing intact behind it */
    MG_INSPECT_OLD_FORMAT,     /* formats 0 and 1: not looked at any further */
    MG_INSPECT_OFFSET,         /* base offset a, and only [offset, b] can be here */
    MG_INSPECT_CODEC,          /* a: one that does not exist */
    MG_INSPECT_RECORDS,        /* they contradict their sizes or count */
    MG_INSPECT_RECORD_OFFSET,  /* of record a, it does not ascend or lies beyond the batch */
    MG_INSPECT_TIMESTAMP,      /* max_timestamp a, and the records' is b */
    MG_INSPECT_EPOCH,          /* leader epoch a beside b: after a greater, or before a lesser */
    /* faults of the index files; `position` is that in the index file */
    MG_INSPECT_INDEX_ORDER,    /* an entry that does not ascend; a: offset, b: position */
    MG_INSPECT_INDEX_ENTRY,    /* offset a at position b: no batch that ends so begins there */
    MG_INSPECT_TIMES_ORDER,    /* a: timestamp, b: offset */
    MG_INSPECT_TIMES_ENTRY,    /* timestamp a, offset b: the batches say otherwise */
    MG_INSPECT_TIMES_SHORT,    /* it ends with timestamp a, the batches reach b */
} mg_inspect_kind;

typedef enum mg_inspect_damage {
    MG_INSPECT_BAD_CHECKSUM,
    MG_INSPECT_NO_HEADER,
    MG_INSPECT_TOO_LONG, /* the batch says that it reaches beyond the file */
    MG_INSPECT_ZEROS,
} mg_inspect_damage;

typedef struct mg_inspect_find {
    mg_inspect_kind kind;
    int64_t position;
    int64_t size;
    int64_t offset;
    int64_t a;
    int64_t b;
} mg_inspect_find;

typedef struct mg_inspect_totals {
    int64_t batches;
    int64_t batch_bytes;
    int64_t records;
    int64_t control_batches;
    int64_t transactional_batches;
    int64_t first_offset; /* of the first batch; -1: none */
    int64_t end_offset;   /* one past the last */
    int64_t min_timestamp; /* of batches' base and max; INT64_MAX, -1: none */
    int64_t max_timestamp;
    int64_t null_keys;   /* of records that were looked at: */
    int64_t key_bytes;
    int64_t null_values;
    int64_t value_bytes;
    int64_t values[MG_INSPECT_SIZE_CLASSES];
    int64_t codec_batches[MG_INSPECT_CODECS];
    int64_t codec_bytes[MG_INSPECT_CODECS];  /* of the records as they lie */
    int64_t opened_bytes[MG_INSPECT_CODECS]; /* and as they are once opened */
    int64_t index_entries;
    int64_t time_entries;
    int64_t bad_index_entries;
    int64_t bad_time_entries;
} mg_inspect_totals;

typedef struct mg_inspect_range {
    int64_t base_offset;
    int64_t next_base; /* of the segment behind, INT64_MAX: none */
    bool checks_indexes;
} mg_inspect_range;

typedef struct mg_inspect {
    mg_inspect_range range;
    mg_inspect_totals totals;
    mg_inspect_find finds[MG_INSPECT_FINDS];
    size_t finds_count;
    bool is_done;

    mg_scan scan;
    mg_file *file;
    int64_t position;
    int64_t next_offset;
    int32_t leader_epoch;
    uint8_t *large; /* a batch that is larger than the window */
    size_t large_size;
    uint8_t *index; /* both files' entries, as they lie */
    size_t index_slot;
    uint8_t *times;
    size_t times_slot;
    int64_t times_max; /* of the batches behind which the next entry of `times` must lie */
    int64_t damaged_from; /* positions of the last that was no batch: index entries that point */
    int64_t damaged_to;   /* there are no faults of their own */
    int64_t damaged_offset;
    struct mg_inspect_open_transaction *open; /* with data here */
    size_t open_count;
} mg_inspect;

/* `directory`/<base>.log and its indexes; an index that is not there is not looked at. `files` is
 * borrowed until the close. */
MG_WARN_UNUSED mg_status mg_inspect_open(mg_inspect *inspect, mg_files *files,
                                         const char *directory, const mg_inspect_range *range,
                                         mg_error *error);
/* Goes on for about size_max bytes; what it found replaces what the last step found. */
MG_WARN_UNUSED mg_status mg_inspect_step(mg_inspect *inspect, int64_t size_max, mg_error *error);
/* The records of a batch of the last step, opened: at most two finds are added to `finds`. */
MG_WARN_UNUSED mg_status mg_inspect_records(mg_inspect *inspect, int64_t position, mg_span batch,
                                            mg_span records, mg_error *error);
void mg_inspect_close(mg_inspect *inspect);

#endif
