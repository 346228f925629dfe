#include "log/epochs.h"

#include "base/writer.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FILE_SIZE_MAX = 64 * 1024 * 1024,
    LINE_SIZE_MAX = 34, /* an int32, a space, an int64, a newline */
    CAPACITY_FIRST = 4,
};

mg_status mg_epochs_init(mg_epochs *epochs, mg_error *error)
{
    *epochs = (mg_epochs){.entries = NULL};
    atomic_init(&epochs->latest, -1);
    atomic_init(&epochs->has_room, false);
    if (pthread_mutex_init(&epochs->lock, NULL) != 0) {
        return mg_fail(error, MG_NO_MEMORY, 0, "epochs");
    }
    return MG_OK;
}

void mg_epochs_deinit(mg_epochs *epochs)
{
    (void)pthread_mutex_destroy(&epochs->lock);
    free(epochs->entries);
}

/* Called locked, after every change of entries, count or capacity. */
static void note_change(mg_epochs *epochs)
{
    int32_t latest = epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
    atomic_store_explicit(&epochs->latest, latest, memory_order_release);
    atomic_store_explicit(&epochs->has_room, epochs->count < epochs->capacity,
                          memory_order_relaxed);
}

mg_status mg_epochs_reserve(mg_epochs *epochs, mg_error *error)
{
    mg_status status = MG_OK;
    (void)pthread_mutex_lock(&epochs->lock);
    if (epochs->count == epochs->capacity) {
        size_t capacity = epochs->capacity == 0 ? CAPACITY_FIRST : epochs->capacity * 2;
        mg_epoch_entry *entries = realloc(epochs->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            status = mg_fail(error, MG_NO_MEMORY, 0, "epochs");
        } else {
            epochs->entries = entries;
            epochs->capacity = capacity;
            note_change(epochs);
        }
    }
    (void)pthread_mutex_unlock(&epochs->lock);
    return status;
}

void mg_epochs_assign(mg_epochs *epochs, int32_t epoch, int64_t start_offset)
{
    (void)pthread_mutex_lock(&epochs->lock);
    int32_t latest = epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
    if (epoch > latest) {
        MG_ASSERT(epochs->count < epochs->capacity);
        /* An epoch in which nothing was written leaves no entry behind. */
        while (epochs->count > 0 &&
               epochs->entries[epochs->count - 1].start_offset >= start_offset) {
            epochs->count--;
        }
        epochs->entries[epochs->count++] =
            (mg_epoch_entry){.epoch = epoch, .start_offset = start_offset};
        epochs->version++;
        note_change(epochs);
    }
    (void)pthread_mutex_unlock(&epochs->lock);
}

void mg_epochs_cut_end(mg_epochs *epochs, int64_t end_offset)
{
    (void)pthread_mutex_lock(&epochs->lock);
    size_t before = epochs->count;
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= end_offset) {
        epochs->count--;
    }
    if (epochs->count != before) {
        epochs->version++;
        note_change(epochs);
    }
    (void)pthread_mutex_unlock(&epochs->lock);
}

void mg_epochs_raise_start(mg_epochs *epochs, int64_t start_offset)
{
    (void)pthread_mutex_lock(&epochs->lock);
    size_t below = 0; /* entries that start at or below the offset */
    while (below < epochs->count && epochs->entries[below].start_offset <= start_offset)
        below++;
    if (below > 0 && epochs->entries[below - 1].start_offset != start_offset) {
        epochs->entries[below - 1].start_offset = start_offset;
        epochs->version++;
    }
    if (below > 1) {
        size_t gone = below - 1;
        for (size_t i = gone; i < epochs->count; i++)
            epochs->entries[i - gone] = epochs->entries[i];
        epochs->count -= gone;
        epochs->version++;
        note_change(epochs);
    }
    (void)pthread_mutex_unlock(&epochs->lock);
}

void mg_epochs_end_of(mg_epochs *epochs, int32_t epoch, int64_t log_end, int32_t *found,
                      int64_t *end_offset)
{
    *found = -1;
    *end_offset = -1;
    (void)pthread_mutex_lock(&epochs->lock);
    size_t below = 0; /* entries whose epoch is at most the one asked for */
    while (below < epochs->count && epochs->entries[below].epoch <= epoch)
        below++;
    bool is_known = epochs->count > 0 && epoch <= epochs->entries[epochs->count - 1].epoch;
    if (is_known && below > 0) {
        *found = epochs->entries[below - 1].epoch;
        *end_offset = below == epochs->count ? log_end : epochs->entries[below].start_offset;
    } else if (is_known) {
        /* Older than everything: it ended before the first that is known. Kafka answers so. */
        *found = epoch;
        *end_offset = epochs->entries[0].start_offset;
    }
    (void)pthread_mutex_unlock(&epochs->lock);
}

/* ---- The file ---- */

typedef struct text {
    const uint8_t *next;
    const uint8_t *end;
    bool bad;
} text;

/* A decimal number and the one byte that must follow it. */
static int64_t read_number(text *in, uint8_t follower)
{
    int64_t value = 0;
    const uint8_t *begin = in->next;
    while (in->next < in->end && *in->next >= '0' && *in->next <= '9') {
        int digit = *in->next - '0';
        if (value > (INT64_MAX - digit) / 10) in->bad = true;
        if (in->bad) return 0;
        value = value * 10 + digit;
        in->next++;
    }
    /* The last line of a file may lack its newline. */
    bool is_end = in->next == in->end && follower == '\n';
    if (in->next == begin || (!is_end && (in->next == in->end || *in->next != follower))) {
        in->bad = true;
        return 0;
    }
    if (!is_end) in->next++;
    return value;
}

static mg_status take_up(mg_epochs *epochs, const uint8_t *data, size_t size, const char *path,
                         mg_error *error)
{
    text in = {.next = data, .end = data + size, .bad = false};
    int64_t version = read_number(&in, '\n');
    int64_t count = read_number(&in, '\n');
    mg_epoch_entry last = {.epoch = -1, .start_offset = -1};
    for (int64_t i = 0; i < count && !in.bad; i++) {
        int64_t epoch = read_number(&in, ' ');
        int64_t start_offset = read_number(&in, '\n');
        if (in.bad || epoch <= last.epoch || epoch > INT32_MAX ||
            start_offset <= last.start_offset) {
            in.bad = true;
            break;
        }
        last = (mg_epoch_entry){.epoch = (int32_t)epoch, .start_offset = start_offset};
        mg_status status = mg_epochs_reserve(epochs, error);
        if (status != MG_OK) return status;
        mg_epochs_assign(epochs, last.epoch, last.start_offset);
    }
    if (version != 0 || in.bad || in.next != in.end) {
        mg_epochs_cut_end(epochs, -1);
        return mg_fail(error, MG_CORRUPT, 0, "malformed epochs: %.120s", path);
    }
    epochs->written_version = epochs->version;
    return MG_OK;
}

mg_status mg_epochs_load(mg_epochs *epochs, mg_files *files, const char *path, mg_error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    mg_error trouble;
    mg_status status = mg_files_load(files, path, FILE_SIZE_MAX, &data, &size, &trouble);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) {
        if (error != NULL) *error = trouble;
        return status;
    }
    if (size > 0) status = take_up(epochs, data, size, path, error);
    free(data);
    return status;
}

/* Called locked. The size of the text, or 0 when memory is out. */
static size_t encode(const mg_epochs *epochs, char **out)
{
    size_t room = (epochs->count + 2) * LINE_SIZE_MAX;
    char *text_out = malloc(room);
    if (text_out == NULL) return 0;
    int filled = snprintf(text_out, room, "0\n%zu\n", epochs->count);
    for (size_t i = 0; i < epochs->count; i++) {
        MG_ASSERT(filled > 0);
        filled += snprintf(text_out + filled, room - (size_t)filled, "%d %lld\n",
                           epochs->entries[i].epoch, (long long)epochs->entries[i].start_offset);
    }
    MG_ASSERT((size_t)filled < room);
    *out = text_out;
    return (size_t)filled;
}

mg_status mg_epochs_save(mg_epochs *epochs, mg_files *files, const char *path, bool *wrote,
                         mg_error *error)
{
    char *data = NULL;
    size_t size = 0;
    *wrote = false;
    (void)pthread_mutex_lock(&epochs->lock);
    uint64_t version = epochs->version;
    bool is_behind = version != epochs->written_version;
    if (is_behind) size = encode(epochs, &data);
    (void)pthread_mutex_unlock(&epochs->lock);
    if (!is_behind) return MG_OK;
    if (size == 0) return mg_fail(error, MG_NO_MEMORY, 0, "epochs");

    mg_status status = mg_files_replace(files, path, data, size, error);
    free(data);
    if (status != MG_OK) return status;
    (void)pthread_mutex_lock(&epochs->lock);
    epochs->written_version = version;
    (void)pthread_mutex_unlock(&epochs->lock);
    *wrote = true;
    return MG_OK;
}
