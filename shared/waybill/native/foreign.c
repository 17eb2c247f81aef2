/* Columns that the library does not know: it hands out their cells, and takes what the caller made of them. */
#include "native.h"

/* Whether a record has the cells that its header says, none of them with a NUL: only such records are approved. */
static int is_even(const struct table *table, const struct cell *cells, ptrdiff_t count, size_t length) {
    if ((size_t)count != table->width || length > MAX_RECORD_BYTES) return 0;
    uint32_t marks = 0;
    for (size_t index = 0; index < table->width; index++) marks |= cells[index].marks;
    return !(marks & NUL);
}

/* Whether a record has fewer or more cells than its header says, and none with a NUL. */
static int is_uneven(const struct table *table, size_t count, struct span record) {
    return count != table->width && record.size <= MAX_RECORD_BYTES && memchr(record.at, 0, record.size) == NULL;
}

/* Writes the cells of the FOREIGN columns of even records, record by record, each with a NUL behind it, to `collected`,
 * where there must be room for `size` bytes and a NUL for each. `found` gets the bytes and the records. Returns 0, or -1 as
 * `waybill_load_rows`. */
int waybill_collect(const struct table *table, const uint8_t *data, size_t size, size_t records, struct output *output,
                    uint8_t *collected, size_t found[2]) {
    uint8_t marks[256];
    set_marks(marks, table);
    const uint8_t *at = data, *data_end = data + size;
    uint8_t *out = collected;
    found[0] = found[1] = 0;
    for (size_t record = 0; record < records; record++) {
        if (at == data_end) return -1;
        const uint8_t *start = at, *end = at;
        uint8_t *scratch = output->scratch;
        ptrdiff_t count = read_record(table, marks, &at, data_end, output->cells, &scratch, &end);
        if (count < 0) return -1;
        if (!is_even(table, output->cells, count, (size_t)(end - start))) continue;
        for (size_t index = 0; index < table->width; index++) {
            if (table->columns[index].kind != FOREIGN) continue;
            out = copied(out, output->cells[index].text);
            *out++ = 0;
        }
        found[1]++;
    }
    found[0] = (size_t)(out - collected);
    return 0;
}

/* The text up to the next NUL of `from`, which moves past it. */
static struct span next_text(struct span *from) {
    struct span text = *from;
    const uint8_t *end = from->size ? memchr(from->at, 0, from->size) : NULL;
    if (end != NULL) text.size = (size_t)(end - from->at);
    size_t taken = text.size + (end != NULL);
    from->at += taken;
    from->size -= taken;
    return text;
}

/* Sets `stored` and `identity` of a cell of a FOREIGN column. Returns its status. */
static unsigned answered(const struct column *column, struct cell *cell, struct answers *answers) {
    unsigned status = *answers->statuses++;
    struct span text = next_text(&answers->texts);
    if (!(status & (ABSENT | DOUBTED))) {
        cell->stored = text;
        cell->marks |= READY;
    }
    if (column->flags & COMPARED) {
        struct span identity = next_text(&answers->identities);
        if (!(status & (ABSENT | DOUBTED))) {
            cell->identity = identity;
            for (size_t byte = 0; byte < identity.size; byte++)
                if (identity.at[byte] < 32 || identity.at[byte] == '"' || identity.at[byte] == '\\') cell->marks |= ESCAPED;
        }
    }
    return status;
}
