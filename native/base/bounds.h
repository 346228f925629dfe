/* bounds.h -- every limit of the core, with its unit and its reason.
 *
 * A section a folder. A limit that Kafka lets the user set is not here: it
 * comes in with the configuration; here stand the walls behind it, which hold
 * whatever was configured.
 */
#ifndef MG_BASE_BOUNDS_H
#define MG_BASE_BOUNDS_H

enum {
    /* --- batch --- */

    /* Bytes of one record batch. Kafka's max.message.bytes is an int32, but a batch must fit in
     * a frame, and a frame of 100 MiB is Kafka's own socket.request.max.bytes. */
    MG_BATCH_SIZE_MAX = 100 * 1024 * 1024,

    /* Bytes that one compressed batch may open to: 64 MiB holds the largest batch that any
     * client sends by default 64 times over, and bounds what a decompression bomb can take. */
    MG_BATCH_OPENED_SIZE_MAX = 64 * 1024 * 1024,

    /* Records of one batch that are named to the client that sent them without a key, or at a wrong
     * time. A MiB that is compressed may hold millions of records, and each costs 12 bytes. */
    MG_REFUSALS_MAX = 1000,

    /* --- wire --- */

    /* Tags of one section, and bytes of one tag. Kafka 4.3 knows at most three tags in a section;
     * skipping costs no memory, so these only bound what a hostile frame can waste. */
    MG_TAG_COUNT_MAX = 64,
    MG_TAG_SIZE_MAX = 128 * 1024,

    /* Partitions of one Produce or Fetch request. Ten times what a broker is built for; the answer
     * to this many takes 20 MB. */
    MG_REQUEST_PARTITIONS_MAX = 200 * 1000,

    /* Partitions in all fetch sessions of a reactor: 200 bytes each, so 40 MB at worst. Beyond,
     * a consumer is answered without a session, which costs it only larger requests. */
    MG_FETCH_SESSION_PARTITIONS_MAX = 200 * 1000,
};

#endif
