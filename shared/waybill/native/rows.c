/* The rows of a block: checked, and made requests. */
#include "native.h"

enum { BLANK_RECORD = -1, EMPTY_RECORD = -2 };

/* Sets `read`, `stored` and `identity` of the first `count` cells of a record. Returns how many of them are not approved;
 * EMPTY_RECORD where none has a text, BLANK_RECORD where all values of an even record are missing. A cell that is not
 * approved has `stored.at` NULL and a `stored.size` of 1. There are answers for the foreign cells of even records only;
 * `foreign_bytes` gets the size of what is stored for them. */
static ptrdiff_t check_cells(const struct table *table, struct output *output, size_t count, int is_even, uint8_t *scratch,
                             size_t *foreign_bytes) {
    struct cell *cells = output->cells;
    ptrdiff_t unverified_cells = 0;
    int is_blank = 1, is_empty = 1;
    for (size_t index = 0; index < count; index++) {
        const struct column *column = &table->columns[index];
        struct cell *cell = &cells[index];
        is_empty &= cell->text.size == 0;
        if (column->kind == IGNORED) continue;
        if (column->kind == FOREIGN) {
            unsigned status = is_even ? answered(column, cell, &output->answers[index]) : DOUBTED;
            is_blank &= (status & BLANK) != 0;
            cell->stored.size += status & DOUBTED ? 1 : 0;
            unverified_cells += status & DOUBTED ? 1 : 0;
            *foreign_bytes += cell->stored.size;
            continue;
        }
        if (!is_cleaned(column, cell, &scratch)) {
            cell->stored.size = 1;
            unverified_cells++;
            continue;
        }
        int absent = is_missing(column, cell->read);
        is_blank &= absent;
        if (absent && column->fallback.at != NULL) {
            stand_in(cell, column->fallback);
            absent = 0;
        }
        if (!absent && (!(column->flags & KEY) || is_visible(cell->read))) cell->stored = checked(column, cell, &scratch);
        if (cell->stored.at == NULL && (!absent || column->flags & (REQUIRED | KEY))) {
            cell->stored.size = 1;
            unverified_cells++;
        }
        if (cell->stored.at != NULL && column->flags & COMPARED) cell->identity = identity_of(column, cell);
    }
    if (is_empty) return EMPTY_RECORD;
    return is_even && is_blank ? BLANK_RECORD : unverified_cells;
}

/* Names a record that is not approved: by the first `count` of its cells where there is room, and all of them that are not
 * approved are in `data`. */
static void name_unverified(const struct table *table, size_t count, struct span data, struct unverified record,
                            size_t records_left, struct output *output) {
    size_t first = output->unverified_count, room = output->unverified_room - first;
    record.column = WHOLE;
    if (room > records_left + table->width) {
        for (size_t index = 0; index < count; index++) {
            const struct cell *cell = &output->cells[index];
            if (cell->stored.at != NULL || cell->stored.size == 0) continue;
            ptrdiff_t offset = cell->text.at - data.at;
            if ((uintptr_t)cell->text.at < (uintptr_t)data.at || (uintptr_t)cell->text.at > (uintptr_t)(data.at + data.size)) {
                output->unverified_count = first;
                break;
            }
            struct unverified *named = &output->unverified[output->unverified_count++];
            *named = record;
            named->column = (uint32_t)index;
            named->cell_start = (uint32_t)offset;
            named->cell_end = (uint32_t)offset + (uint32_t)cell->text.size;
        }
    }
    if (output->unverified_count == first) output->unverified[output->unverified_count++] = record;
}

/* Names a record that has `count` cells, fewer or more than the header, or none with a text: by those of its cells that are
 * not approved, and as UNEVEN, with its number of cells: 0 where none has a text. */
static void name_uneven(const struct table *table, size_t count, ptrdiff_t unverified_cells, struct span data,
                        struct unverified record, size_t records_left, struct output *output) {
    size_t first = output->unverified_count;
    if (unverified_cells > 0) {
        name_unverified(table, count < table->width ? count : table->width, data, record, records_left, output);
        if (output->unverified[first].column == WHOLE) return;
    }
    record.column = UNEVEN;
    record.cell_start = (uint32_t)count;
    output->unverified[output->unverified_count++] = record;
}

/* Makes requests of the first `records` records of `data`, a whole number of records, the first of which is row
 * `first_row` (or as `output->numbers` says).
 *
 * Returns 0 on success; -1 where a quote is not where RFC 4180 allows it or the records end early, -2 where `output` has
 * no room: then the output has no meaning. There must be room for `records` rows, digests (also of each unique set), ends and
 * unverified records, and for `width` cells. */
int waybill_load_rows(const struct table *table, const uint8_t *data, size_t size, size_t records, uint64_t first_row,
                      struct output *output) {
    uint8_t marks[256];
    set_marks(marks, table);
    size_t constant = waybill_constant_bytes(table);
    const struct span all = {data, size};
    const uint8_t *at = data, *data_end = data + size;
    output->texts_size = output->keys_size = output->good = output->unverified_count = 0;
    for (size_t record = 0; record < records; record++) {
        if (at == data_end) return -1;
        uint64_t row = output->numbers != NULL ? output->numbers[record] : first_row + record;
        const uint8_t *start = at, *end = at;
        uint8_t *scratch = output->scratch, key[MAX_KEY_BYTES];
        ptrdiff_t count = read_record(table, marks, &at, data_end, output->cells, &scratch, &end);
        if (count < 0) return -1;
        size_t length = (size_t)(end - start), key_size = 0;
        uint32_t key_marks = 0;
        if (output->keys_room - output->keys_size < MAX_KEY_BYTES) return -2;
        const struct unverified this_record = {(uint32_t)record, (uint32_t)(start - data), (uint32_t)(end - data), WHOLE, 0, 0};
        ptrdiff_t unverified_cells = BLANK_RECORD;
        size_t most_bytes = constant + 12 * length, foreign_bytes = 0, present = (size_t)count;
        int even = is_even(table, output->cells, count, length);
        if (even || (table->names_uneven && is_uneven(table, present, (struct span){start, length}))) {
            if (present > table->width) present = table->width;
            unverified_cells = check_cells(table, output, present, even, scratch, &foreign_bytes);
            if (table->names_uneven && (!even || unverified_cells == EMPTY_RECORD)) {
                /* Its cells beyond the header are not kept, and may have a text. */
                if (unverified_cells == EMPTY_RECORD && (size_t)count > table->width) {
                    name_unverified(table, 0, all, this_record, records - record, output);
                    continue;
                }
                if (unverified_cells == EMPTY_RECORD) count = 0;
                name_uneven(table, (size_t)count, unverified_cells, all, this_record, records - record, output);
                continue;
            }
        }
        most_bytes += foreign_bytes;
        int has_key = unverified_cells >= 0;
        for (size_t part = 0; has_key && part < table->key_count; part++)
            has_key = output->cells[table->keys[part]].stored.at != NULL;
        if (has_key)
            key_size = table->key_count ? make_key(output->cells, table->keys, table->key_count, key, &key_marks)
                                        : make_row_key(table->key_prefix, row, key);
        int is_good = unverified_cells == 0 && key_size > 0 && are_digested(table, output->cells, output);
        if (is_good && output->texts == NULL) is_good = most_bytes <= MAX_ITEM_BYTES;
        struct span whole = {key, key_size};
        uint64_t digest = is_good ? waybill_digest(key, key_size) : 0;
        if (is_good && output->texts != NULL) {
            if (output->texts_room - output->texts_size < most_bytes) return -2;
            uint8_t *begin = output->texts + output->texts_size;
            uint8_t *behind = write_request(table, output->cells, whole, key_marks, digest, begin);
            is_good = (size_t)(behind - begin) <= MAX_ITEM_BYTES;
            if (is_good) {
                *behind++ = ',';
                output->texts_size += (size_t)(behind - begin);
                output->text_ends[output->good] = (uint32_t)output->texts_size;
            }
        }
        if (!is_good) {
            /* Cells that are good may make a key that is not. */
            int by_cells = unverified_cells > 0 && (!has_key || key_size > 0);
            name_unverified(table, by_cells ? table->width : 0, all, this_record, records - record, output);
            continue;
        }
        for (size_t index = 0; output->absent != NULL && index < table->width; index++)
            output->absent[output->good * table->width + index] =
                table->columns[index].kind != IGNORED && output->cells[index].stored.at == NULL;
        memcpy(output->keys + output->keys_size, key, key_size);
        output->keys_size += key_size;
        output->rows[output->good] = row;
        output->digests[output->good] = digest;
        output->key_ends[output->good++] = (uint32_t)output->keys_size;
    }
    return 0;
}
