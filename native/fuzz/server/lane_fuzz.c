/* lane_fuzz.c -- clients that say anything to one lane: bytes, frames, frames with a flipped byte.
 *
 * The input is a list of commands for up to three clients, the control plane, the clock and the
 * image. Nothing may crash or leak, replies are whole frames, and as long as a client sends no
 * nonsense they come in the order of its requests. The lane, its log in memory and its pools serve
 * many inputs before they are made anew.
 */
#include "kit/bench.h"

enum {
    GUESTS_MAX = 3,
    INPUTS_OF_A_BENCH = 500,
    PIECE_MAX = 4096,
    COMMANDS_MAX = 300,
};

typedef struct fuzzed {
    guest g;
    int32_t sent;     /* the last correlation id */
    int32_t answered; /* the last one that came back */
    int32_t session_id;
    bool is_open;
    bool spoke_nonsense;
} fuzzed;

typedef struct script {
    const uint8_t *next;
    const uint8_t *end;
} script;

static uint8_t take_byte(script *s)
{
    return s->next < s->end ? *s->next++ : 0;
}

static bench the_bench;
static int inputs_left;
static bool has_topic;

static void read_replies(fuzzed *f)
{
    for (;;) {
        frame reply = guest_reply(&f->g);
        if (reply.data == NULL) return;
        if (f->spoke_nonsense) continue;
        int32_t id = correlation_of(reply);
        MG_ASSERT(id > f->answered); /* S1 */
        MG_ASSERT(id <= f->sent);
        f->answered = id;
        if (id % 4 == 2) f->session_id = read_fetch(reply).session_id;
    }
}

static void end_guest(fuzzed *f)
{
    if (f->is_open) guest_close(&f->g);
    *f = (fuzzed){0};
}

/* Shows the frame in one or in two pieces, whole or with a bit flipped. */
static void say(fuzzed *f, script *s, frame said)
{
    uint8_t how = take_byte(s);
    if (how >= 0xc0) {
        said.data[(take_byte(s) * 256u + take_byte(s)) % said.size] ^= (uint8_t)(1u << (how & 7));
        f->spoke_nonsense = true;
    }
    size_t cut = (how & 1) != 0 ? take_byte(s) % said.size : said.size;
    guest_show(&f->g, said.data, cut);
    if (cut < said.size) guest_show(&f->g, said.data + cut, said.size - cut);
    frame_free(&said);
}

/* The kind of a request shows in its id, so that the reply can be read. */
static int32_t next_id(fuzzed *f, int32_t kind)
{
    do f->sent++;
    while (f->sent % 4 != kind);
    return f->sent;
}

static void say_produce(fuzzed *f, script *s)
{
    uint8_t what = take_byte(s);
    uint8_t size = take_byte(s);
    int64_t producer_id = (what & 8) != 0 ? what >> 6 : -1;
    frame batch = make_batch(1 + what % 3, size, producer_id, take_byte(s) % 4);
    int16_t acks = (int16_t)(take_byte(s) % 4 - 1);
    int32_t partition_count = 1 + take_byte(s) % 3;
    say(f, s, make_produce_to("t", 0, partition_count, next_id(f, 1), acks, size, &batch));
    frame_free(&batch);
}

static void say_fetch(fuzzed *f, script *s)
{
    uint8_t what = take_byte(s);
    fetch_wish wish = fetch_from(take_byte(s) % 32);
    wish.max_wait_ms = (what & 1) != 0 ? 1000 : 0;
    wish.min_bytes = (what & 2) != 0 ? 100000 : 1;
    wish.max_bytes = (what & 4) != 0 ? 100 : 1 << 20;
    wish.partition_count = (what >> 3) % 4;
    wish.session_epoch = take_byte(s) % 4 - 1;
    wish.session_id = (what & 0x80) != 0 ? f->session_id : 0;
    say(f, s, make_fetch("t", next_id(f, 2), wish));
}

static void say_bytes(fuzzed *f, script *s, bool framed)
{
    uint8_t bytes[4 + PIECE_MAX];
    size_t size = take_byte(s) * 4u;
    if (size > (size_t)(s->end - s->next)) size = (size_t)(s->end - s->next);
    f->spoke_nonsense = true;
    mg_store_u32(bytes, (uint32_t)size);
    if (size > 0) memcpy(bytes + 4, s->next, size);
    s->next += size;
    if (framed)
        guest_show(&f->g, bytes, size + 4);
    else
        guest_show(&f->g, bytes + 4, size);
}

static void answer_control(script *s)
{
    mg_letter *letter = mg_mailbox_take(&the_bench.control);
    while (letter != NULL) {
        mg_letter *next = letter->next;
        uint8_t payload[64] = {0};
        uint8_t what = take_byte(s);
        mg_control_reply(mg_control_request_of(letter), what % 8 == 7 ? NULL : payload,
                         what % sizeof payload);
        letter = next;
    }
    bench_work(&the_bench);
}

static void fire_deadline(fuzzed *f)
{
    mg_session *session = f->g.connection->session;
    for (mg_request *r = session->first; r != NULL; r = r->next) {
        if (r->deadline.slot == 0) continue;
        mg_reactor_remove_deadline(the_bench.lane.reactor, &r->deadline);
        the_bench.events.due(&the_bench.lane, &r->deadline);
        return;
    }
}

static void change_topic(void)
{
    has_topic = !has_topic;
    if (!has_topic) {
        bench_publish(&the_bench, NULL, "t");
        return;
    }
    mg_topic_rules rules = plain_rules();
    bench_set_topic(&the_bench, "t", &rules);
}

static void obey(fuzzed *f, script *s, uint8_t command)
{
    switch (command % 11) {
    case 0:
        say_bytes(f, s, false);
        break;
    case 1:
        say_bytes(f, s, true);
        break;
    case 2:
    case 3:
        say_produce(f, s);
        break;
    case 4:
    case 5:
        say_fetch(f, s);
        break;
    case 6:
        say(f, s, make_control(next_id(f, 3), "control"));
        break;
    case 7:
        answer_control(s);
        break;
    case 8:
        fire_deadline(f);
        break;
    case 9:
        if (take_byte(s) % 8 == 0) change_topic();
        mg_memory_set_cold(the_bench.place.files, take_byte(s) % 4 == 0);
        bench_work(&the_bench);
        break;
    default:
        end_guest(f);
        break;
    }
}

static void begin(void)
{
    if (inputs_left-- > 0) return;
    if (the_bench.place.files != NULL) bench_close(&the_bench);
    mg_log_config config = plain_log_config();
    config.segment_size_max = 20000;
    bench_open_with(&the_bench, true, 2, &config);
    has_topic = true;
    inputs_left = INPUTS_OF_A_BENCH;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    script s = {.next = data, .end = data + size};
    fuzzed guests[GUESTS_MAX] = {0};
    for (int i = 0; i < COMMANDS_MAX && s.next < s.end; i++) {
        uint8_t command = take_byte(&s);
        fuzzed *f = &guests[command / 11 % GUESTS_MAX];
        if (!f->is_open) *f = (fuzzed){.g = guest_open(&the_bench), .is_open = true};
        obey(f, &s, command);
        if ((command & 0x40) != 0) bench_work(&the_bench);
        if (f->is_open && (command & 0x80) != 0) guest_show(&f->g, NULL, 0);
        for (int k = 0; k < GUESTS_MAX; k++)
            if (guests[k].is_open) read_replies(&guests[k]);
    }
    for (int k = 0; k < GUESTS_MAX; k++) end_guest(&guests[k]);
    bench_work(&the_bench);
    answer_control(&s);
    mg_fetch_sessions_check(the_bench.lane.fetch_sessions);
    return 0;
}
