#include "file/memory_content.h"

#include "base/writer.h"

#include <stdlib.h>
#include <string.h>

uint64_t mg_memory_draw(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool is_lucky(mg_memory_cut *cut)
{
    return mg_memory_draw(&cut->state) % 16 < cut->kept_in_16;
}

bool mg_memory_keeps(mg_memory_cut *cut, uint64_t order)
{
    return cut->order_max == UINT64_MAX ? is_lucky(cut) : order <= cut->order_max;
}

/* ---- Bytes ---- */

static bool grow_bytes(mg_memory_bytes *bytes, size_t size)
{
    if (size <= bytes->capacity) return true;
    size_t capacity = bytes->capacity == 0 ? 256 : bytes->capacity;
    while (capacity < size)
        capacity *= 2;
    uint8_t *data = realloc(bytes->data, capacity);
    if (data == NULL) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

static bool set_size(mg_memory_bytes *bytes, size_t size)
{
    if (!grow_bytes(bytes, size)) return false;
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
    return true;
}

static bool put(mg_memory_bytes *bytes, size_t at, const uint8_t *from, size_t size)
{
    if (size == 0) return true;
    if (at + size > bytes->size && !set_size(bytes, at + size)) return false;
    mg_writer writer = mg_writer_over(bytes->data + at, size);
    mg_write_bytes(&writer, from, size);
    return true;
}

static bool copy_bytes(mg_memory_bytes *to, const mg_memory_bytes *from)
{
    to->size = 0;
    return put(to, 0, from->data, from->size);
}

/* ---- Changes ---- */

static bool add_change(mg_memory_content *content, const mg_memory_change *like,
                       const uint8_t *bytes)
{
    mg_memory_change *change = malloc(sizeof *change + like->size);
    if (change == NULL) return false;
    *change = *like;
    change->next = NULL;
    mg_writer writer = mg_writer_over(change->bytes, like->size);
    if (like->size > 0) mg_write_bytes(&writer, bytes, like->size);
    if (content->first == NULL) {
        content->first = change;
    } else {
        content->last->next = change;
    }
    content->last = change;
    return true;
}

static void drop_changes(mg_memory_content *content)
{
    while (content->first != NULL) {
        mg_memory_change *change = content->first;
        content->first = change->next;
        free(change);
    }
    content->last = NULL;
}

bool mg_memory_content_write(mg_memory_content *content, size_t position, const uint8_t *bytes,
                             size_t size, uint64_t order)
{
    if (size == 0) return true;
    mg_memory_change change = {.order = order, .position = position, .size = size};
    return put(&content->now, position, bytes, size) && add_change(content, &change, bytes);
}

bool mg_memory_content_cut(mg_memory_content *content, size_t size, uint64_t order)
{
    if (size == content->now.size) return true;
    mg_memory_change change = {.order = order, .position = size, .is_cut = true};
    return set_size(&content->now, size) && add_change(content, &change, NULL);
}

bool mg_memory_content_sync(mg_memory_content *content)
{
    mg_memory_bytes *durable = &content->durable;
    for (const mg_memory_change *c = content->first; c != NULL; c = c->next) {
        bool fits = true;
        if (c->is_cut) {
            fits = set_size(durable, c->position);
        } else if (!c->is_lost) {
            fits = put(durable, c->position, c->bytes, c->size);
        } else if (c->position + c->size > durable->size) {
            fits = set_size(durable, c->position + c->size); /* the size is, the bytes are not */
        }
        if (!fits) return false;
    }
    drop_changes(content);
    return true;
}

void mg_memory_content_fail_sync(mg_memory_content *content)
{
    for (mg_memory_change *c = content->first; c != NULL; c = c->next)
        c->is_lost = true;
}

bool mg_memory_content_copy(mg_memory_content *to, const mg_memory_content *from)
{
    if (!copy_bytes(&to->now, &from->now) || !copy_bytes(&to->durable, &from->durable)) {
        return false;
    }
    for (const mg_memory_change *c = from->first; c != NULL; c = c->next) {
        if (!add_change(to, c, c->bytes)) return false;
    }
    return true;
}

/* ---- A power cut ---- */

/* Of each sector, how many writes of it are on the disk: it is written as it is at some moment, so
 * a later one never without those before it. */
static bool prepare_sectors(const mg_memory_content *content, mg_memory_cut *cut, uint32_t **kept)
{
    size_t count = 0;
    for (const mg_memory_change *c = content->first; c != NULL; c = c->next) {
        size_t end = c->is_cut ? 0 : (c->position + c->size - 1) / cut->sector_size + 1;
        if (end > count) count = end;
    }
    *kept = calloc(count > 0 ? count : 1, sizeof **kept);
    if (*kept == NULL) return false;
    for (const mg_memory_change *c = content->first; c != NULL; c = c->next) {
        if (c->is_cut) continue;
        size_t last = (c->position + c->size - 1) / cut->sector_size;
        for (size_t i = c->position / cut->sector_size; i <= last; i++)
            (*kept)[i]++;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t most = (*kept)[i];
        if (!is_lucky(cut)) (*kept)[i] = (uint32_t)(mg_memory_draw(&cut->state) % (most + 1));
    }
    return true;
}

static bool keep_sectors(mg_memory_bytes *durable, const mg_memory_change *change,
                         const mg_memory_cut *cut, uint32_t *kept)
{
    size_t end = change->position + change->size;
    for (size_t at = change->position; at < end;) {
        uint32_t *left = &kept[at / cut->sector_size];
        size_t next = at - at % cut->sector_size + cut->sector_size;
        if (next > end) next = end;
        bool is_written = *left > 0 && !change->is_lost;
        const uint8_t *bytes = change->bytes + (at - change->position);
        if (is_written && !put(durable, at, bytes, next - at)) return false;
        if (*left > 0) (*left)--;
        at = next;
    }
    return true;
}

/* The size a write leaves: the one from before, its end, or something in between. */
static size_t size_after(const mg_memory_change *change, size_t size, mg_memory_cut *cut)
{
    size_t end = change->position + change->size;
    if (end <= size) return size;
    uint64_t choice = mg_memory_draw(&cut->state) % 16;
    if (choice == 0) return size + (size_t)(mg_memory_draw(&cut->state) % (end - size + 1));
    if (choice == 1) {
        size_t aligned = end - end % cut->sector_size;
        return aligned > size ? aligned : size;
    }
    return choice < 2 + cut->kept_in_16 * 14 / 16 ? end : size;
}

bool mg_memory_content_crash(mg_memory_content *content, mg_memory_cut *cut)
{
    mg_memory_bytes *durable = &content->durable;
    uint32_t *kept = NULL;
    size_t size = durable->size; /* bytes may lie behind it, until a later write shows them */
    bool fits = cut == NULL || prepare_sectors(content, cut, &kept);
    for (const mg_memory_change *c = content->first; c != NULL && cut != NULL && fits;
         c = c->next) {
        if (c->is_cut) {
            if (!mg_memory_keeps(cut, c->order)) continue;
            fits = set_size(durable, c->position);
            size = c->position;
        } else {
            size = size_after(c, size, cut);
            fits = keep_sectors(durable, c, cut, kept);
        }
    }
    free(kept);
    fits = fits && set_size(durable, size);
    if (!fits) return false;
    drop_changes(content);
    return copy_bytes(&content->now, &content->durable);
}

void mg_memory_content_deinit(mg_memory_content *content)
{
    drop_changes(content);
    free(content->now.data);
    free(content->durable.data);
    content->now.data = NULL;
    content->durable.data = NULL;
}
