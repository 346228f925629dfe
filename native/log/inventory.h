/* inventory.h -- what lies in a partition directory, after the leftovers of a crash were dealt
 * with. Names that are not Kafka's or ours are left alone. */
#ifndef MG_LOG_INVENTORY_H
#define MG_LOG_INVENTORY_H

#include "log/damage.h"

typedef struct mg_inventory {
    int64_t *bases; /* of segments, ascending */
    size_t bases_count;
    int64_t *snapshots; /* offsets, ascending */
    size_t snapshots_count;
    mg_damage *damages; /* by base, then offset */
    size_t damages_count;
    bool changed;    /* names were removed or renamed */
    bool is_swapping; /* some name ends in .swap: it, or what it replaces, is not the whole */
    bool is_doubted; /* a failed fsync left its mark (doubt.h) */
} mg_inventory;

/* Completes *.swap, removes *.deleted, *.cleaned and indexes without a segment, and lists. */
MG_WARN_UNUSED mg_status mg_inventory_open(mg_inventory *inventory, mg_files *files,
                                           const char *directory, mg_error *error);
/* Lists without changing anything. */
MG_WARN_UNUSED mg_status mg_inventory_look(mg_inventory *inventory, mg_files *files,
                                           const char *directory, mg_error *error);
/* The places at which a segment lost bytes, ascending, in fresh memory; NULL where none is, and
 * then nothing is read. */
MG_WARN_UNUSED mg_status mg_inventory_load_damages(const mg_inventory *inventory, mg_files *files,
                                                   const char *directory, int64_t base,
                                                   int32_t **positions, size_t *count,
                                                   mg_error *error);
/* When the log was truncated to `offset`: no name tells of damage above it any more (damage.h).
 * The directory is not synced. */
MG_WARN_UNUSED mg_status mg_inventory_truncate_damages(mg_files *files, const char *directory,
                                                       int64_t offset, mg_error *error);
void mg_inventory_close(mg_inventory *inventory);

#endif
