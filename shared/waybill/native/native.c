/* The inner loop of an import, above all: the records of a block of delimited text, checked and made requests for DynamoDB.
 *
 * A library of pure functions over buffers that the caller owns: nothing is allocated, nothing is kept, no Python in it.
 * `native/__init__.py` loads it; where it was not built, the Python code that it agrees with does the work.
 *
 * It approves records and rejects none. A record whose every cell it knows to be good becomes a request; any other
 * record, bad or only unusual, is named as unverified and read again by the Python code, which is the rule. So nothing
 * here decides that a row is wrong, and the tests compare what is approved with the rule.
 *
 * Every write is within a bound that was checked before: `room` for a record is known from its size (`rows.c`).
 *
 * The parts are one translation unit, so that each compiler inlines what a loop over cells calls.
 */
#include "native.h"

#include "digests.c"
#include "partitions.c"
#include "texts.c"
#include "records.c"
#include "foreign.c"
#include "numbers.c"
#include "moments.c"
#include "cells.c"
#include "cleaning.c"
#include "requests.c"
#include "rows.c"
#include "sheets.c"
#include "pages.c"

#define SIZE_OF(name) sizeof(struct name)
#define AT(name, member) offsetof(struct name, member)
#define AS_WORD(name) #name " "

/* The layout of the structures in memory, for the caller to compare with its mirror: each structure's size and the
 * offsets of its members, then the limits that both know, then 0. */
const size_t *waybill_layout(void) {
    static const size_t layout[] = {
        SIZE_OF(span), AT(span, at), AT(span, size),
        SIZE_OF(word), AT(word, cell), AT(word, text),
        SIZE_OF(column), AT(column, kind), AT(column, flags), AT(column, opening), AT(column, closing),
            AT(column, missing), AT(column, missing_count), AT(column, values), AT(column, value_count),
            AT(column, fallback), AT(column, longest_value), AT(column, words), AT(column, word_count),
            AT(column, automaton), AT(column, accepting), AT(column, fewest), AT(column, most), AT(column, least),
            AT(column, greatest), AT(column, least_scale), AT(column, greatest_scale), AT(column, least_text),
            AT(column, greatest_text), AT(column, pattern), AT(column, group), AT(column, point), AT(column, item),
            AT(column, separator),
        SIZE_OF(table), AT(table, columns), AT(table, width), AT(table, delimiter), AT(table, quote), AT(table, has_quote),
            AT(table, is_own), AT(table, names_uneven), AT(table, keys), AT(table, key_count), AT(table, uniques),
            AT(table, unique_ends), AT(table, unique_count), AT(table, key_prefix), AT(table, head),
            AT(table, middle), AT(table, tail), AT(table, end),
        SIZE_OF(cell), AT(cell, text), AT(cell, read), AT(cell, stored), AT(cell, identity), AT(cell, marks),
        SIZE_OF(unverified), AT(unverified, record), AT(unverified, start), AT(unverified, end), AT(unverified, column),
            AT(unverified, cell_start), AT(unverified, cell_end),
        SIZE_OF(answers), AT(answers, statuses), AT(answers, texts), AT(answers, identities),
        SIZE_OF(output), AT(output, texts), AT(output, texts_room), AT(output, texts_size), AT(output, text_ends),
            AT(output, keys), AT(output, keys_room), AT(output, keys_size), AT(output, numbers), AT(output, rows), AT(output, digests),
            AT(output, key_ends), AT(output, good), AT(output, unverified), AT(output, unverified_room),
            AT(output, unverified_count), AT(output, unique_digests), AT(output, unique_nulls),
            AT(output, absent), AT(output, answers), AT(output, cells), AT(output, scratch),
        SIZE_OF(other_cell), AT(other_cell, cell), AT(other_cell, type), AT(other_cell, style),
        SIZE_OF(sheet_row), AT(sheet_row, number), AT(sheet_row, end), AT(sheet_row, gaps),
        SIZE_OF(sheet), AT(sheet, texts), AT(sheet, text_ends), AT(sheet, text_count), AT(sheet, gaps_left), AT(sheet, cells),
            AT(sheet, cells_room), AT(sheet, cells_size), AT(sheet, cell_count), AT(sheet, others), AT(sheet, others_room),
            AT(sheet, other_count), AT(sheet, rows), AT(sheet, rows_room), AT(sheet, row_count),
        SIZE_OF(export_column), AT(export_column, name), AT(export_column, letter), AT(export_column, is_guarded),
            AT(export_column, point), AT(export_column, absent), AT(export_column, yes), AT(export_column, no),
        SIZE_OF(export_table), AT(export_table, columns), AT(export_table, width), AT(export_table, gone), AT(export_table, line_end),
            AT(export_table, delimiter), AT(export_table, quote), AT(export_table, quotes_empty), AT(export_table, is_special),
            AT(export_table, constant_bytes),
        SIZE_OF(found_value), AT(found_value, kind), AT(found_value, next), AT(found_value, text),
        SIZE_OF(page_rows), AT(page_rows, text), AT(page_rows, room), AT(page_rows, scratch), AT(page_rows, found),
            AT(page_rows, size), AT(page_rows, count), AT(page_rows, items), AT(page_rows, key_start),
            AT(page_rows, key_end),
        MAX_KEY_BYTES, WHOLE, UNEVEN, MAX_COLUMNS, 0,
    };
    return layout;
}

/* The names of the kinds, then those of the flags from the lowest bit on, with a space after each. */
const char *waybill_names(void) { return ALL_KINDS(AS_WORD) ALL_FLAGS(AS_WORD); }

/* SHA-256 of the sources that this was made of. */
const char *waybill_source(void) { return SOURCE; }
