/* Keys of records, and the requests that write them. */
#include "native.h"

/* The key of a record without a primary key: its row, in twelve digits. */
static size_t make_row_key(struct span prefix, uint64_t row, uint8_t *key) {
    if (prefix.size + 12 > MAX_KEY_BYTES || row > 999999999999u) return 0;
    memcpy(key, prefix.at, prefix.size);
    for (size_t digit = prefix.size + 12; digit-- > prefix.size; row /= 10) key[digit] = (uint8_t)('0' + row % 10);
    return prefix.size + 12;
}

/* The identities of the cells of these columns, several joined by `|`. Size 0 where only the rule knows them. */
static size_t make_key(const struct cell *cells, const uint32_t *columns, size_t count, uint8_t *key, uint32_t *marks) {
    size_t size = 0;
    for (size_t part = 0; part < count; part++) {
        const struct cell *cell = &cells[columns[part]];
        struct span text = cell->identity;
        if (text.at == NULL || size + text.size + 1 > MAX_KEY_BYTES) return 0;
        for (size_t byte = 0; byte < text.size && count > 1; byte++)
            if (text.at[byte] == '|' || text.at[byte] == '\\') return 0;
        if (part) key[size++] = '|';
        memcpy(key + size, text.at, text.size);
        size += text.size;
        *marks |= cell->marks;
    }
    return size;
}

/* Adds the digests of a record's unique values to the output. Returns 0 where only the rule knows them. */
static int are_digested(const struct table *table, const struct cell *cells, struct output *output) {
    size_t place = output->good * table->unique_count;
    const uint32_t *columns = table->uniques;
    for (size_t set = 0; set < table->unique_count; set++, place++) {
        size_t count = (size_t)(table->uniques + table->unique_ends[set] - columns);
        int has_null = 0;
        for (size_t part = 0; part < count; part++) has_null |= cells[columns[part]].stored.at == NULL;
        output->unique_nulls[place] = (uint8_t)has_null;
        output->unique_digests[place] = 0;
        if (!has_null) {
            uint8_t key[MAX_KEY_BYTES];
            uint32_t marks = 0;
            for (size_t part = 0; part < count; part++)
                if (cells[columns[part]].identity.at == NULL) return 0;
            size_t size = make_key(cells, columns, count, key, &marks);
            if (size == 0 && (count != 1 || cells[*columns].identity.size > 0)) return 0;
            output->unique_digests[place] = waybill_digest(key, size);
        }
        columns += count;
    }
    return 1;
}

/* Whether a text has anything but white space, without which it cannot be a key. White space beyond ASCII begins with
 * C2, E1, E2 or E3. */
static int is_visible(struct span text) {
    for (size_t byte = 0; byte < text.size; byte++) {
        uint8_t it = text.at[byte];
        if ((it > ' ' && it < 0x7F) || (it >= 0xC3 && (it < 0xE1 || it > 0xE3))) return 1;
    }
    return 0;
}

/* Writes a request. Each byte of the record is written at most twice, as key and as member, and as six bytes at most. */
static uint8_t *write_request(const struct table *table, const struct cell *cells, struct span key, uint32_t key_marks,
                              uint64_t digest, uint8_t *out) {
    static const char hex[] = "0123456789abcdef";
    out = copied(out, table->head);
    int comma = table->is_own || table->tail.size > 0;
    if (table->is_own) {
        *out++ = (uint8_t)hex[digest >> 4 & 3];
        *out++ = (uint8_t)hex[digest & 15];
        out = copied(out, table->middle);
        out = key_marks & ESCAPED ? escaped(out, key) : copied(out, key);
    }
    out = copied(out, table->tail);
    for (size_t index = 0; index < table->width; index++) {
        const struct column *column = &table->columns[index];
        if (cells[index].stored.at == NULL || column->flags & UNWRITTEN) continue;
        if (comma) *out++ = ',';
        comma = 1;
        out = copied(out, column->opening);
        if ((cells[index].marks & (ESCAPED | READY)) == ESCAPED) out = escaped(out, cells[index].stored);
        else out = copied(out, cells[index].stored);
        out = copied(out, column->closing);
    }
    return copied(out, table->end);
}

/* The most bytes that a request and its comma have besides twelve for each byte of its record, and what is stored for its
 * foreign cells. */
size_t waybill_constant_bytes(const struct table *table) {
    size_t sum = table->head.size + 2 + table->middle.size + table->tail.size + table->end.size + 1;
    sum += 6 * (table->key_prefix.size + 12);
    for (size_t index = 0; index < table->width; index++) {
        const struct column *column = &table->columns[index];
        size_t longest = 0;
        for (size_t word = 0; word < column->word_count; word++)
            if (column->words[word].text.size > longest) longest = column->words[word].text.size;
        sum += 1 + column->opening.size + column->closing.size + longest + 2 * column->longest_value;
        if (column->kind == MOMENT) sum += 2 * MOMENT_BYTES;
        if (column->kind == LIST) sum += LIST_BYTES + 10 * column->longest_value;
        if (column->kind == FOREIGN && column->flags & KEY) sum += 6 * MAX_KEY_BYTES;
    }
    return sum;
}

/* The scratch that the cells of one record need, of `size` bytes of data: once without their quotes, once cleaned, and as
 * they are stored. */
size_t waybill_scratch_bytes(const struct table *table, size_t size) {
    size_t sum = size + 13 * (size < MAX_RECORD_BYTES ? size : MAX_RECORD_BYTES);
    for (size_t index = 0; index < table->width; index++) sum += LIST_BYTES + 14 * table->columns[index].longest_value;
    return sum;
}
