/* image.h -- what the express lane knows of the cluster: an immutable, versioned set of topics.
 *
 * The control plane prepares the next image and publishes it; a reactor looks
 * at one image for a whole turn. An image is let go when every reactor has gone
 * on to a newer one; with it go the topics that the newer ones no longer have.
 *
 * The prepared set belongs to the control plane's thread; a published image to
 * everybody, for reading.
 */
#ifndef MG_SERVER_IMAGE_H
#define MG_SERVER_IMAGE_H

#include "partition/partition.h"
#include "wire/field.h"

enum { MG_TOPIC_NAME_SIZE_MAX = 249 }; /* Kafka's; with a partition number it fits a file name */

typedef struct mg_topic_rules {
    int32_t batch_size_max;
    int32_t insync_min;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    bool append_time;
    bool requires_keys;
    bool internal;
} mg_topic_rules;

typedef struct mg_topic {
    uint8_t id[MG_UUID_SIZE];
    char name[MG_TOPIC_NAME_SIZE_MAX + 1];
    size_t name_size;
    mg_topic_rules rules;
    int32_t partition_count;
    mg_partition *partitions[]; /* NULL: offline */
} mg_topic;

typedef struct mg_image {
    uint64_t version;
    size_t count;
    size_t slot_count; /* a power of two, at least twice count */
    mg_topic **by_name;
    mg_topic **by_id;
    mg_topic **dropped; /* in this image and not in the next: freed with it */
    size_t dropped_count;
} mg_image;

const mg_topic *mg_image_topic_by_name(const mg_image *image, mg_span name);
const mg_topic *mg_image_topic_by_id(const mg_image *image, const uint8_t *id);
/* By whichever of the two the request names it. */
const mg_topic *mg_image_topic(const mg_image *image, mg_topic_ref ref);
/* NULL: no such partition, or offline. */
mg_partition *mg_topic_partition(const mg_topic *topic, int32_t index);

/* The set being prepared. */
typedef struct mg_image_draft {
    mg_topic **topics; /* in the order of their names */
    size_t count;
    size_t capacity;
    mg_topic **dropped; /* since the last publication */
    size_t dropped_count;
    size_t dropped_capacity;
    uint64_t version;
} mg_image_draft;

/* NULL: no memory. The partitions are to be filled in. */
mg_topic *mg_topic_create(mg_span name, const uint8_t *id, const mg_topic_rules *rules,
                       int32_t partition_count);

/* Takes the topic, in place of one of the same name. */
MG_WARN_UNUSED mg_status mg_image_draft_set(mg_image_draft *draft, mg_topic *topic);
MG_WARN_UNUSED mg_status mg_image_draft_remove(mg_image_draft *draft, mg_span name);
/* A new image of what is prepared; what was dropped since the last one goes to `previous`, which
 * the caller frees once nobody reads it. */
MG_WARN_UNUSED mg_status mg_image_draft_publish(mg_image_draft *draft, mg_image *previous,
                                                mg_image **image);
void mg_image_free(mg_image *image);              /* and what it dropped */
void mg_image_draft_deinit(mg_image_draft *draft); /* and all topics in it */

#endif
