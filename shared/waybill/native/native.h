/* What the parts of the library share: the structures, which `native/__init__.py` mirrors and checks. */
#ifndef WAYBILL_NATIVE_H
#define WAYBILL_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MAX_KEY_BYTES 240
#define MAX_RECORD_BYTES 65536
#define MAX_ITEM_BYTES (400 * 1024)
#define WHOLE UINT32_MAX
#define UNEVEN (UINT32_MAX - 1)
#define MAX_COLUMNS 16384 /* of a worksheet */
#define MOMENT_BYTES 19 /* of `2024-02-29T12:00:00` */
#define LIST_BYTES 64   /* of a list around its items, and a margin */

/* The kinds of columns, and the flags of a column: `native/__init__.py` compares their names (`waybill_names`). */
#define ALL_KINDS(X) \
    X(IGNORED) X(TEXT) X(DIGITS) X(WORDS) X(AUTOMATON) X(EMAIL) X(INTEGER) X(NUMBER) X(DATE) X(DATETIME) \
    X(MOMENT) X(DURATION) X(LIST) X(FOREIGN)
#define ALL_FLAGS(X) \
    X(REQUIRED) X(KEY) X(COMPARED) X(HAS_LEAST) X(HAS_MOST) X(OPEN_LEAST) X(OPEN_MOST) X(TRIM) X(COLLAPSE) X(NFC) X(UPPER) \
    X(LOWER) X(SPELLED) X(SPACED) X(WITH_TEXT) X(WITH_DATE) X(WITH_TIME) \
    X(GUARDED) X(UNWRITTEN)
#define AS_MEMBER(name) name,
#define AS_BIT(name) name##_BIT,
#define AS_FLAG(name) name = 1 << name##_BIT,

enum kind { ALL_KINDS(AS_MEMBER) KINDS };
enum flag_bit { ALL_FLAGS(AS_BIT) FLAGS };
enum flag { ALL_FLAGS(AS_FLAG) };

struct span {
    const uint8_t *at;
    size_t size;
};

/* A cell that is good, and the text that is stored for it. */
struct word {
    struct span cell, text;
};

/* One column of the file. `opening` and `closing` enclose its value in the item. */
struct column {
    int32_t kind;
    uint32_t flags;
    struct span opening, closing;
    const struct span *missing;
    size_t missing_count;
    const struct word *values; /* cells that others stand for, ordered as `words` are */
    size_t value_count;
    struct span fallback; /* stands for a missing value; `at` NULL where nothing does */
    size_t longest_value; /* of `values` and `fallback`, which need no escape in JSON, in bytes */
    const struct word *words; /* by size, then by bytes */
    size_t word_count;
    const uint8_t *automaton; /* [state][byte < 128] -> state; 0 is the failure, 1 the start */
    const uint8_t *accepting; /* [state] */
    size_t fewest, most;      /* characters */
    int64_t least, greatest;  /* bounds: `least` / 10^least_scale */
    int32_t least_scale, greatest_scale;
    struct span least_text, greatest_text; /* bounds of dates and times */
    struct span pattern; /* of MOMENT: literal bytes, and letters of strptime with the highest bit set */
    struct span group;   /* of SPELLED numbers: what stands between groups of digits; with SPACED, any space */
    uint8_t point;       /* likewise, before the fraction */
    const struct column *item; /* of LIST; its `opening` and `closing` enclose each item */
    struct span separator;     /* between two items */
};

struct table {
    const struct column *columns;
    size_t width;
    uint8_t delimiter, quote, has_quote, is_own;
    uint8_t names_uneven; /* records whose number of cells is wrong, too, are named by their cells */
    const uint32_t *keys; /* columns of the primary key, in its order; without one, the key is `key_prefix` and the row */
    size_t key_count;
    const uint32_t *uniques; /* columns of each set of unique values, one set after the other */
    const size_t *unique_ends; /* of each set */
    size_t unique_count;
    struct span key_prefix;
    struct span head, middle, tail, end; /* head SHARD middle KEY tail members end; without `is_own` head members end */
};

/* A cell as it is in the file, as it is read once it is cleaned, and what is stored for it: `at` NULL for a missing value.
 * `identity`, of columns that are COMPARED, is what keys are made of: `at` NULL where only the rule knows it. */
struct cell {
    struct span text, read, stored, identity;
    uint32_t marks;
};

/* A record that is not approved, by index and bytes; and one of its cells, or WHOLE where no single cell is to blame, or
 * UNEVEN: then `cell_start` is the number of its cells, at most one more than the header's, and 0 where none has a text. */
struct unverified {
    uint32_t record, start, end, column, cell_start, cell_end;
};

/* What the caller says of the cells of a FOREIGN column, those of even records (`is_even`): a status each, the texts that
 * are stored (as JSON already), and, where the column is COMPARED, the identities; each text with a NUL behind it. */
struct answers {
    const uint8_t *statuses;
    struct span texts, identities;
};

/* The output. The caller sets the capacities, in elements. */
struct output {
    uint8_t *texts; /* requests, with a comma after each; NULL when they are not wanted */
    size_t texts_room, texts_size;
    uint32_t *text_ends; /* offset after each request and its comma */
    uint8_t *keys; /* key texts, one after the other */
    size_t keys_room, keys_size;
    const uint64_t *numbers; /* of the rows of the records; NULL where they follow each other */
    uint64_t *rows;     /* row of each request */
    uint64_t *digests;  /* of the key of each request */
    uint32_t *key_ends; /* offset after the key of each request */
    size_t good;
    struct unverified *unverified;
    size_t unverified_room, unverified_count;
    uint64_t *unique_digests; /* of the values of each unique set, request by request */
    uint8_t *unique_nulls;    /* whether one of them is missing, likewise */
    uint8_t *absent; /* whether each column of a request has no value, request by request; NULL when it is not wanted */
    struct answers *answers; /* of each column; they are used up */
    struct cell *cells; /* scratch, `width` of them */
    uint8_t *scratch; /* for the cells of one record: `waybill_scratch_bytes` */
};

/* What a cell of a worksheet is: none, a text, or as its type says: `n`, `b` or `d`. */
enum { EMPTY_CELL = 0, TEXT_CELL = 't' };

/* A cell of a worksheet that is no text, by its index among all cells. */
struct other_cell {
    uint32_t cell, type, style;
};

/* A row of a worksheet: its number, 0 where it does not say it; where its cells end; and how many of them only fill up. */
struct sheet_row {
    uint32_t number, end, gaps;
};

/* A worksheet and the rows that were read of it. */
struct sheet {
    struct span texts;         /* the shared texts; text i is [text_ends[i], text_ends[i + 1]) */
    const uint64_t *text_ends;
    size_t text_count;
    size_t gaps_left;          /* cells that may still be filled up; goes down */
    uint8_t *cells;            /* the cells as texts, a NUL behind each */
    size_t cells_room, cells_size, cell_count;
    struct other_cell *others;
    size_t others_room, other_count;
    struct sheet_row *rows;
    size_t rows_room, row_count;
};

/* A column of an export's file: an attribute by its name, as JSON has it, and its type: `S`, `N`, or `B` for BOOL. */
struct export_column {
    struct span name;
    uint8_t letter;
    uint8_t is_guarded; /* against formulas */
    uint8_t point;      /* of numbers, before the fraction */
    struct span absent, yes, no; /* whole cells: of an absent value, of true and of false */
};

struct export_table {
    const struct export_column *columns;
    size_t width;
    struct span gone; /* the attribute that marks what is left of a deleted record */
    struct span line_end;
    uint8_t delimiter, quote, quotes_empty;
    const uint8_t *is_special; /* [byte]: whether a cell with it is quoted */
    size_t constant_bytes; /* of a row, besides what is in its cells: at least four for each column */
};

/* What an item has for a column. NO_VALUE is 0. */
enum value_kind { NO_VALUE, PLAIN_VALUE, ESCAPED_VALUE, TRUE_VALUE, FALSE_VALUE };

struct found_value {
    uint32_t kind;
    uint32_t next; /* the column that came behind this one in the item before */
    struct span text;
};

/* The rows of a page of DynamoDB's. The caller sets the first four. */
struct page_rows {
    uint8_t *text;
    size_t room;
    uint8_t *scratch; /* for one page */
    struct found_value *found; /* scratch, one more than there are columns */
    size_t size, count, items;
    size_t key_start, key_end; /* where in the page its LastEvaluatedKey is; 0 where it has none */
};

/* What bytes of a cell there are; READY: what is stored for it is JSON text already. */
enum mark { STOP = 1, ESCAPED = 2, HIGH = 4, NUL = 8, READY = 16 };

/* What a cell of a FOREIGN column is; its status is a sum of them. BLANK: a missing value, also where a default stands for
 * it. ABSENT: it has no value. DOUBTED: the record is not approved. */
enum status { BLANK = 1, ABSENT = 2, DOUBTED = 4 };

#endif
