/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/sim/hvsim-stream.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STREAM_MAGIC   "xlvirt-sim-save\n" /* 16 bytes */
#define STREAM_VERSION 1u
#define STATE_MAX      (1u << 20)
#define PAYLOAD_BASE   (256u << 10) /* stands for the guest's memory */
#define PAYLOAD_MAX    (16u << 20)
#define CHUNK          (16u << 10)
#define SUM_LEN        32 /* SHA-256 */

/* Little-endian on disk; three lengths, then three parts, then the sum over all before it. */
typedef struct StreamHeader {
    char magic[16];
    guint32 version;
    guint32 reserved;
    guint8 uuid[16];
    guint64 record_len, state_len, payload_len;
} StreamHeader;
G_STATIC_ASSERT(sizeof(StreamHeader) == 64);

void
sim_stream_free(SimStream *stream)
{
    if (stream == NULL)
        return;
    g_free(stream->record);
    sim_guest_free(stream->guest);
    g_free(stream);
}

/* ---- writing ---- */

typedef struct Writer {
    int fd;
    const SimStreamWrite *how;
    GChecksum *sum;
    guint64 done, total;
    gint64 began_us;
    GError **error;
} Writer;

/* Waits until so much may be written as is, when the writing shall last how->write_ms. */
static void
pace(const Writer *writer)
{
    if (writer->how->write_ms == 0)
        return;
    double share = (double)writer->done / (double)writer->total;
    gint64 due = writer->began_us + (gint64)(share * writer->how->write_ms * 1000);
    while (g_get_monotonic_time() < due && !g_cancellable_is_cancelled(writer->how->cancellable))
        g_usleep((gulong)MIN(due - g_get_monotonic_time() + 1, 5000));
}

static gboolean
put_bytes(Writer *writer, const void *data, gsize len)
{
    for (gsize sent = 0; sent < len;) {
        gssize n = write(writer->fd, (const char *)data + sent, len - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(writer->error, HV_ERROR, HV_ERROR_IO, "cannot write the saved guest: %s",
                        g_strerror(errno));
            return FALSE;
        }
        sent += (gsize)n;
    }
    writer->done += len;
    return TRUE;
}

/* One piece of at most CHUNK: looks for all that may come between. */
static gboolean
put_piece(Writer *writer, const void *data, gsize len)
{
    const SimStreamWrite *how = writer->how;
    if (g_cancellable_is_cancelled(how->cancellable)) {
        g_set_error(writer->error, HV_ERROR, HV_ERROR_CANCELLED, "the operation was cancelled");
        return FALSE;
    }
    gboolean full = how->fail_at - writer->done < len;
    g_checksum_update(writer->sum, data, (gssize)len);
    if (!put_bytes(writer, data, full ? how->fail_at - writer->done : len))
        return FALSE;
    if (full) {
        g_set_error(writer->error, HV_ERROR, HV_ERROR_IO,
                    "cannot write the saved guest: %s (simulated after %" G_GUINT64_FORMAT
                    " bytes)",
                    g_strerror(ENOSPC), writer->done);
        return FALSE;
    }
    if (how->progress != NULL)
        how->progress(writer->done, writer->total, how->data);
    pace(writer);
    return TRUE;
}

static gboolean
put(Writer *writer, const void *data, gsize len)
{
    for (gsize at = 0; at < len; at += CHUNK)
        if (!put_piece(writer, (const char *)data + at, MIN(len - at, CHUNK)))
            return FALSE;
    return TRUE;
}

/* Pages of a guest that nobody simulates: the same for the same guest, and not compressible to
 * nothing. */
static gboolean
put_payload(Writer *writer, const SimStream *stream, guint64 len)
{
    guint32 page[CHUNK / sizeof(guint32)];
    guint32 seed;
    memcpy(&seed, stream->uuid, sizeof(seed));
    for (guint64 at = 0; at < len; at += sizeof(page)) {
        for (gsize i = 0; i < G_N_ELEMENTS(page); i++) {
            seed = seed * 1664525u + 1013904223u;
            page[i] = seed;
        }
        if (!put_piece(writer, page, MIN(len - at, sizeof(page))))
            return FALSE;
    }
    return TRUE;
}

gboolean
sim_stream_write(const SimStream *stream, int fd, const SimStreamWrite *how, GError **error)
{
    g_autoptr(GVariant) native = g_variant_ref_sink(sim_guest_pack(stream->guest));
    g_autoptr(GVariant) state = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(native)
                                                                : g_variant_byteswap(native);
    guint64 record_len = strlen(stream->record), state_len = g_variant_get_size(state);
    /* A MiB of guest is 64 bytes here: larger guests take longer, none takes long. */
    guint64 payload_len = MIN(PAYLOAD_BASE + stream->guest->memory_kib / 1024 * 64,
                              (guint64)PAYLOAD_MAX);
    StreamHeader header = { .version = GUINT32_TO_LE(STREAM_VERSION),
                            .record_len = GUINT64_TO_LE(record_len),
                            .state_len = GUINT64_TO_LE(state_len),
                            .payload_len = GUINT64_TO_LE(payload_len) };
    memcpy(header.magic, STREAM_MAGIC, sizeof(header.magic));
    memcpy(header.uuid, stream->uuid, sizeof(header.uuid));
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    Writer writer = { .fd = fd,
                      .how = how,
                      .sum = sum,
                      .total = sizeof(header) + record_len + state_len + payload_len + SUM_LEN,
                      .began_us = g_get_monotonic_time(),
                      .error = error };
    guint8 digest[SUM_LEN];
    gsize digest_len = sizeof(digest);
    if (!put(&writer, &header, sizeof(header)) || !put(&writer, stream->record, record_len) ||
        !put(&writer, g_variant_get_data(state), state_len) ||
        !put_payload(&writer, stream, payload_len))
        return FALSE;
    g_autoptr(GChecksum) whole = g_checksum_copy(sum);
    g_checksum_get_digest(whole, digest, &digest_len);
    return put(&writer, digest, sizeof(digest));
}

/* ---- reading ---- */

static gboolean
get_bytes(int fd, void *data, gsize len, const char *part, GError **error)
{
    for (gsize done = 0; done < len;) {
        gssize n = read(fd, (char *)data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot read the saved guest: %s",
                        g_strerror(errno));
        else if (n == 0)
            g_set_error(error, HV_ERROR, HV_ERROR_IO,
                        "the saved guest is truncated: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
                        " bytes of its %s are there",
                        done, len, part);
        if (n <= 0)
            return FALSE;
        done += (gsize)n;
    }
    return TRUE;
}

static gboolean
check_header(const StreamHeader *header, GError **error)
{
    if (memcmp(header->magic, STREAM_MAGIC, sizeof(header->magic)) != 0)
        g_set_error(error, HV_ERROR, HV_ERROR_IO,
                    "this is no guest that the simulated host saved: the mark at its start is "
                    "wrong");
    else if (GUINT32_FROM_LE(header->version) != STREAM_VERSION || header->reserved != 0)
        g_set_error(error, HV_ERROR, HV_ERROR_IO,
                    "the saved guest is of format %u, only %u can be read",
                    GUINT32_FROM_LE(header->version), STREAM_VERSION);
    else if (GUINT64_FROM_LE(header->record_len) > CONF_MAX_XML ||
             GUINT64_FROM_LE(header->state_len) > STATE_MAX ||
             GUINT64_FROM_LE(header->payload_len) > PAYLOAD_MAX)
        g_set_error(error, HV_ERROR, HV_ERROR_IO,
                    "the saved guest is damaged: a length in its header is out of bounds");
    else
        return TRUE;
    return FALSE;
}

static gboolean
skip_payload(int fd, guint64 len, GChecksum *sum, GError **error)
{
    g_autofree char *chunk = g_malloc(CHUNK);
    while (len > 0) {
        gsize part = MIN(len, CHUNK);
        if (!get_bytes(fd, chunk, part, "memory", error))
            return FALSE;
        g_checksum_update(sum, (guchar *)chunk, (gssize)part);
        len -= part;
    }
    return TRUE;
}

static gboolean
check_sum(int fd, GChecksum *sum, GError **error)
{
    guint8 wanted[SUM_LEN], digest[SUM_LEN];
    gsize len = sizeof(digest);
    if (!get_bytes(fd, wanted, sizeof(wanted), "checksum", error))
        return FALSE;
    g_checksum_get_digest(sum, digest, &len);
    if (memcmp(wanted, digest, sizeof(digest)) == 0)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_IO,
                "the saved guest is damaged: its checksum does not match");
    return FALSE;
}

static SimGuest *
parse_state(GBytes *bytes, GError **error)
{
    const char *why = "the state is not well-formed";
    g_autoptr(GVariant) raw = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE(SIM_GUEST_TYPE), bytes, FALSE));
    SimGuest *guest = NULL;
    if (g_variant_is_normal_form(raw)) {
        g_autoptr(GVariant) native = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(raw)
                                                                     : g_variant_byteswap(raw);
        guest = sim_guest_unpack(native, SIM_MAX_VCPUS, &why);
    }
    if (guest == NULL)
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "the saved guest is damaged: %s", why);
    return guest;
}

SimStream *
sim_stream_read(int fd, GError **error)
{
    StreamHeader header;
    if (!get_bytes(fd, &header, sizeof(header), "header", error) || !check_header(&header, error))
        return NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(SimStream) stream = g_new0(SimStream, 1);
    gsize record_len = GUINT64_FROM_LE(header.record_len);
    gsize state_len = GUINT64_FROM_LE(header.state_len);
    g_autofree char *state = g_malloc(state_len + 1);
    stream->record = g_malloc0(record_len + 1);
    memcpy(stream->uuid, header.uuid, sizeof(stream->uuid));
    g_checksum_update(sum, (guchar *)&header, sizeof(header));
    if (!get_bytes(fd, stream->record, record_len, "definition", error) ||
        !get_bytes(fd, state, state_len, "state", error))
        return NULL;
    g_checksum_update(sum, (guchar *)stream->record, (gssize)record_len);
    g_checksum_update(sum, (guchar *)state, (gssize)state_len);
    if (!skip_payload(fd, GUINT64_FROM_LE(header.payload_len), sum, error) ||
        !check_sum(fd, sum, error))
        return NULL;
    g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&state), state_len);
    stream->guest = parse_state(bytes, error);
    return stream->guest == NULL ? NULL : g_steal_pointer(&stream);
}
