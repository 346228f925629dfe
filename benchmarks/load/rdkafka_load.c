/* meghna-rdkafka-load -- the same broker under librdkafka's own producer and consumer.
 *
 * What applications feel: batching, the client's threads, its checks. Everything is passed to
 * librdkafka as its documentation recommends for throughput; nothing is tuned for one broker.
 * Prints the line of meghna-load; exit status likewise. */
#include "load/report.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRODUCE_BATCH = 1000,     /* messages handed over in one call */
    CONSUME_BATCH = 10000,    /* taken in one call */
    QUEUE_MESSAGES = 1000000, /* librdkafka's own queue */
    QUEUE_KBYTES = 1 << 20,
    BATCH_MESSAGES = 10000,
    FLUSH_MS = 60000,
    CONSUME_TIMEOUT_MS = 30000,
};

static report result;
static uint64_t delivered; /* well or badly: errors are in the report */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) die("%s", why);
}

static void set_number(rd_kafka_conf_t *conf, const char *name, int value)
{
    char text[32];
    snprintf(text, sizeof text, "%d", value);
    set(conf, name, text);
}

static rd_kafka_t *open_client(rd_kafka_conf_t *conf, rd_kafka_type_t type,
                               const load_options *options)
{
    char bootstrap[128];
    snprintf(bootstrap, sizeof bootstrap, "%s:%d", options->host, options->port);
    set(conf, "bootstrap.servers", bootstrap);
    char why[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (client == NULL) die("%s", why);
    return client;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    delivered++;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) report_error(&result, (int)message->err);
}

static rd_kafka_t *open_producer(const load_options *options)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set_number(conf, "linger.ms", options->linger_ms);
    set_number(conf, "batch.num.messages", BATCH_MESSAGES);
    set_number(conf, "queue.buffering.max.messages", QUEUE_MESSAGES);
    set_number(conf, "queue.buffering.max.kbytes", QUEUE_KBYTES);
    set_number(conf, "acks", options->acks);
    set(conf, "enable.idempotence", options->idempotent ? "true" : "false");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return open_client(conf, RD_KAFKA_PRODUCER, options);
}

/* Hands over a batch until all of it is taken; where the queue is full, serves deliveries. */
static void hand_over(rd_kafka_t *client, rd_kafka_topic_t *topic, int32_t partition,
                      rd_kafka_message_t *messages, int count)
{
    while (count > 0) {
        int taken = rd_kafka_produce_batch(topic, partition, 0, messages, count);
        int left = 0;
        for (int i = 0; i < count && taken < count; i++) {
            if (messages[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
            if (messages[i].err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                die("produce: %s", rd_kafka_err2str(messages[i].err));
            }
            messages[left] = messages[i];
            messages[left++].err = RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        count = left;
        rd_kafka_poll(client, count > 0 ? 10 : 0);
    }
}

static void produce_until(const load_options *options, rd_kafka_t *client, rd_kafka_topic_t *topic,
                          const uint8_t *value, int64_t stop_ns, uint64_t count_max)
{
    static rd_kafka_message_t messages[PRODUCE_BATCH];
    uint64_t produced = 0;
    int32_t partition = 0;
    while (now_ns() < stop_ns && produced < count_max) {
        for (int i = 0; i < PRODUCE_BATCH; i++) {
            messages[i] = (rd_kafka_message_t){.payload = (void *)(uintptr_t)value,
                                               .len = (size_t)options->record_size};
        }
        hand_over(client, topic, partition, messages, PRODUCE_BATCH);
        produced += PRODUCE_BATCH;
        partition = (partition + 1) % options->partitions;
    }
}

static int run_produce(const load_options *options)
{
    uint8_t *value = malloc((size_t)options->record_size + 1);
    if (value == NULL) die("no memory");
    for (int i = 0; i < options->record_size; i++)
        value[i] = (uint8_t)('0' + i % 64);
    rd_kafka_t *client = open_producer(options);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, options->topic, NULL);
    if (topic == NULL) die("no topic");

    report_begin(&result, "rdkafka-produce", options);
    if (options->warmup_seconds > 0) {
        int64_t stop_ns = now_ns() + (int64_t)(options->warmup_seconds * 1e9);
        produce_until(options, client, topic, value, stop_ns, UINT64_MAX);
        rd_kafka_flush(client, FLUSH_MS);
        report_restart(&result);
    }
    delivered = 0;
    int64_t stop_ns = options->count > 0 ? INT64_MAX : now_ns() + (int64_t)(options->seconds * 1e9);
    uint64_t count_max = options->count > 0 ? (uint64_t)options->count : UINT64_MAX;
    produce_until(options, client, topic, value, stop_ns, count_max);
    if (rd_kafka_flush(client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) die("flush timed out");
    report_end(&result); /* until the last delivery: what is queued is not done */
    result.records = delivered - result.errors;
    result.bytes = result.records * (uint64_t)options->record_size;
    report_print(&result);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    free(value);
    return report_status(&result);
}

static rd_kafka_t *open_consumer(const load_options *options)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "meghna-rdkafka-load");
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "queued.min.messages", "1000000");
    set(conf, "check.crcs", "false");
    rd_kafka_t *client = open_client(conf, RD_KAFKA_CONSUMER, options);
    rd_kafka_poll_set_consumer(client);
    return client;
}

static void assign_from_start(rd_kafka_t *client, const load_options *options)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(options->partitions);
    for (int32_t i = 0; i < options->partitions; i++) {
        rd_kafka_topic_partition_list_add(list, options->topic, i)->offset = 0;
    }
    if (rd_kafka_assign(client, list) != RD_KAFKA_RESP_ERR_NO_ERROR) die("assign");
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads --count records from the start; time runs from the first. */
static int run_consume(const load_options *options)
{
    if (options->count == 0) die("consume needs --count");
    rd_kafka_t *client = open_consumer(options);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    static rd_kafka_message_t *messages[CONSUME_BATCH];
    report_begin(&result, "rdkafka-consume", options);
    assign_from_start(client, options);
    while (result.records < (uint64_t)options->count) {
        ssize_t got =
            rd_kafka_consume_batch_queue(queue, CONSUME_TIMEOUT_MS, messages, CONSUME_BATCH);
        if (got <= 0) die("nothing more after %llu records", (unsigned long long)result.records);
        if (result.records == 0) report_restart(&result);
        for (ssize_t i = 0; i < got; i++) {
            if (messages[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                report_error(&result, (int)messages[i]->err);
            } else {
                result.records++;
                result.bytes += messages[i]->len;
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    report_end(&result);
    report_print(&result);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return report_status(&result);
}

int main(int argc, char **argv)
{
    bool produces = argc > 1 && strcmp(argv[1], "produce") == 0;
    bool consumes = argc > 1 && strcmp(argv[1], "consume") == 0;
    if (!produces && !consumes) {
        fputs("usage: meghna-rdkafka-load produce|consume [--option value …]\n", stderr);
        return 2;
    }
    load_options options = load_options_parse(argc - 2, argv + 2);
    return produces ? run_produce(&options) : run_consume(&options);
}
