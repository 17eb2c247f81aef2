/* The inner loop of an import: the records of a block of delimited text, checked and made requests for DynamoDB.
 *
 * A library of pure functions over buffers that the caller owns: nothing is allocated, nothing is kept, no Python in it.
 * `native/__init__.py` loads it; where it was not built, the Python code that it agrees with does the work.
 *
 * It approves records and rejects none. A record whose every cell it knows to be good becomes a request; any other
 * record, bad or only unusual, is named as unverified and read again by the Python code, which is the rule. So nothing
 * here decides that a row is wrong, and the tests compare what is approved with the rule.
 *
 * Every write is within a bound that was checked before: `room` for a record is known from its size (see `load_rows`).
 * Formats: RFC 4180 (records), RFC 8259 (JSON text), RFC 3629 (UTF-8), XXH3 of https://github.com/Cyan4973/xxHash,
 * doc/xxhash_spec.md (digests of keys up to 240 bytes).
 */
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

enum kind { IGNORED, TEXT, DIGITS, WORDS, AUTOMATON, EMAIL, INTEGER, NUMBER, DATE, DATETIME, KINDS };
enum flag { REQUIRED = 1, KEY = 2, HAS_LEAST = 4, HAS_MOST = 8, OPEN_LEAST = 16, OPEN_MOST = 32,
            TRIM = 64, COLLAPSE = 128, NFC = 256, UPPER = 512, LOWER = 1024 };

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
};

struct table {
    const struct column *columns;
    size_t width;
    uint8_t delimiter, quote, has_quote, is_own;
    const uint32_t *keys; /* columns of the primary key, in its order; without one, the key is `key_prefix` and the row */
    size_t key_count;
    struct span key_prefix;
    struct span head, middle, tail, end; /* head SHARD middle KEY tail members end; without `is_own` head members end */
};

/* A cell as it is in the file, as it is read once it is cleaned, and what is stored for it: `at` NULL for a missing value. */
struct cell {
    struct span text, read, stored;
    uint32_t marks;
};

/* A record that is not approved, by index and bytes; and one of its cells, or WHOLE where no single cell is to blame. */
struct unverified {
    uint32_t record, start, end, column, cell_start, cell_end;
};

/* The output. The caller sets the capacities, in elements. */
struct output {
    uint8_t *texts; /* requests, with a comma after each; NULL when they are not wanted */
    size_t texts_room, texts_size;
    uint32_t *text_ends; /* offset after each request and its comma */
    uint8_t *keys; /* key texts, one after the other */
    size_t keys_room, keys_size;
    uint64_t *rows;     /* row of each request */
    uint64_t *digests;  /* of the key of each request */
    uint32_t *key_ends; /* offset after the key of each request */
    size_t good;
    struct unverified *unverified;
    size_t unverified_room, unverified_count;
    struct cell *cells; /* scratch, `width` of them */
    uint8_t *unquoted;  /* scratch for cells without their quotes and for cleaned ones, twice as long as the data */
};

enum mark { STOP = 1, ESCAPED = 2, HIGH = 4, NUL = 8 };

/* The layout of the structures in memory, and how many kinds there are, for the caller to compare with its mirror:
 * each structure's size and the offsets of its members, then `KINDS`, then 0. */
const size_t *waybill_layout(void) {
    static const size_t layout[] = {
        sizeof(struct span), offsetof(struct span, at), offsetof(struct span, size),
        sizeof(struct word), offsetof(struct word, cell), offsetof(struct word, text),
        sizeof(struct column), offsetof(struct column, kind), offsetof(struct column, flags),
            offsetof(struct column, opening), offsetof(struct column, closing), offsetof(struct column, missing),
            offsetof(struct column, missing_count), offsetof(struct column, values), offsetof(struct column, value_count),
            offsetof(struct column, fallback), offsetof(struct column, longest_value), offsetof(struct column, words), offsetof(struct column, word_count),
            offsetof(struct column, automaton), offsetof(struct column, accepting), offsetof(struct column, fewest),
            offsetof(struct column, most), offsetof(struct column, least), offsetof(struct column, greatest),
            offsetof(struct column, least_scale), offsetof(struct column, greatest_scale),
            offsetof(struct column, least_text), offsetof(struct column, greatest_text),
        sizeof(struct table), offsetof(struct table, columns), offsetof(struct table, width),
            offsetof(struct table, delimiter), offsetof(struct table, quote), offsetof(struct table, has_quote),
            offsetof(struct table, is_own), offsetof(struct table, keys), offsetof(struct table, key_count),
            offsetof(struct table, key_prefix), offsetof(struct table, head), offsetof(struct table, middle),
            offsetof(struct table, tail), offsetof(struct table, end),
        sizeof(struct cell), offsetof(struct cell, text), offsetof(struct cell, read), offsetof(struct cell, stored), offsetof(struct cell, marks),
        sizeof(struct unverified), offsetof(struct unverified, record), offsetof(struct unverified, start),
            offsetof(struct unverified, end), offsetof(struct unverified, column),
            offsetof(struct unverified, cell_start), offsetof(struct unverified, cell_end),
        sizeof(struct output), offsetof(struct output, texts), offsetof(struct output, texts_room),
            offsetof(struct output, texts_size), offsetof(struct output, text_ends), offsetof(struct output, keys),
            offsetof(struct output, keys_room), offsetof(struct output, keys_size), offsetof(struct output, rows),
            offsetof(struct output, digests), offsetof(struct output, key_ends), offsetof(struct output, good),
            offsetof(struct output, unverified), offsetof(struct output, unverified_room),
            offsetof(struct output, unverified_count), offsetof(struct output, cells), offsetof(struct output, unquoted),
        KINDS, 0,
    };
    return layout;
}

/* SHA-256 of the source that this was made of. */
const char *waybill_source(void) { return SOURCE; }

/* ------------------------------------------------------------------------------------------------------------------
 * Digests
 * ------------------------------------------------------------------------------------------------------------------ */

static const uint8_t SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9,
    0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78,
    0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6,
    0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f,
    0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
    0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff,
    0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};
static const uint64_t PRIME_1 = 0x9E3779B185EBCA87u, PRIME_2 = 0xC2B2AE3D27D4EB4Fu, PRIME_3 = 0x165667B19E3779F9u;
static const uint64_t MIX_1 = 0x165667919E3779F9u, MIX_2 = 0x9FB21C651E98DF25u;

/* Little-endian, as every machine is that loads this (`native/__init__.py`). */
static uint64_t read_64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t read_32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t rotated(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static uint64_t folded_product(uint64_t left, uint64_t right) {
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mixed(const uint8_t *at, size_t secret) {
    return folded_product(read_64(at) ^ read_64(SECRET + secret), read_64(at + 8) ^ read_64(SECRET + secret + 8));
}

static uint64_t avalanche(uint64_t hash) {
    hash = (hash ^ hash >> 37) * MIX_1;
    return hash ^ hash >> 32;
}

static uint64_t avalanche_of_short(uint64_t hash) {
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}

/* XXH3, 64 bits, without a seed, of at most MAX_KEY_BYTES. */
uint64_t waybill_digest(const uint8_t *at, size_t size) {
    if (size == 0) return avalanche_of_short(read_64(SECRET + 56) ^ read_64(SECRET + 64));
    if (size <= 3) {
        uint64_t all = (uint64_t)at[0] << 16 | (uint64_t)at[size >> 1] << 24 | at[size - 1] | (uint64_t)size << 8;
        return avalanche_of_short(all ^ (read_32(SECRET) ^ read_32(SECRET + 4)));
    }
    if (size <= 8) {
        uint64_t hash = read_32(at + size - 4) + (read_32(at) << 32);
        hash ^= read_64(SECRET + 8) ^ read_64(SECRET + 16);
        hash = (hash ^ rotated(hash, 49) ^ rotated(hash, 24)) * MIX_2;
        hash = (hash ^ ((hash >> 35) + size)) * MIX_2;
        return hash ^ hash >> 28;
    }
    if (size <= 16) {
        uint64_t low = read_64(at) ^ (read_64(SECRET + 24) ^ read_64(SECRET + 32));
        uint64_t high = read_64(at + size - 8) ^ (read_64(SECRET + 40) ^ read_64(SECRET + 48));
        return avalanche(size + __builtin_bswap64(low) + high + folded_product(low, high));
    }
    uint64_t hash = size * PRIME_1;
    if (size <= 128) {
        for (size_t pair = (size - 1) / 32 + 1; pair-- > 0;)
            hash += mixed(at + 16 * pair, 32 * pair) + mixed(at + size - 16 * (pair + 1), 32 * pair + 16);
        return avalanche(hash);
    }
    size_t rounds = size / 16;
    for (size_t round = 0; round < 8; round++) hash += mixed(at + 16 * round, 16 * round);
    hash = avalanche(hash);
    for (size_t round = 8; round < rounds; round++) hash += mixed(at + 16 * round, 16 * (round - 8) + 3);
    return avalanche(hash + mixed(at + size - 16, 136 - 17));
}

/* ------------------------------------------------------------------------------------------------------------------
 * Records and cells
 * ------------------------------------------------------------------------------------------------------------------ */

static void set_marks(uint8_t *marks, const struct table *table) {
    memset(marks, 0, 128);
    memset(marks + 128, HIGH, 128);
    memset(marks, ESCAPED, 32);
    marks[0] = NUL | ESCAPED;
    marks['"'] = marks['\\'] = ESCAPED;
    marks['\n'] |= STOP;
    marks['\r'] |= STOP;
    marks[table->delimiter] |= STOP;
}

/* The end of an unquoted cell: the next delimiter or line break, or `end`. `seen` gets the marks of the bytes before it. */
static const uint8_t *end_of_cell(const uint8_t *at, const uint8_t *end, const uint8_t *marks, uint8_t delimiter, uint32_t *seen) {
#ifdef __SSE2__
    const __m128i delimiters = _mm_set1_epi8((char)delimiter), feeds = _mm_set1_epi8('\n'), returns = _mm_set1_epi8('\r');
    const __m128i space = _mm_set1_epi8(' '), quotes = _mm_set1_epi8('"'), slashes = _mm_set1_epi8('\\');
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiters),
                                    _mm_or_si128(_mm_cmpeq_epi8(bytes, feeds), _mm_cmpeq_epi8(bytes, returns)));
        /* As signed numbers the bytes beyond ASCII are less than a space too. */
        __m128i marked = _mm_or_si128(_mm_cmplt_epi8(bytes, space),
                                      _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, slashes)));
        unsigned stops = (unsigned)_mm_movemask_epi8(stop), plain = stops ? (unsigned)__builtin_ctz(stops) : 16;
        if ((unsigned)_mm_movemask_epi8(marked) & ((1u << plain) - 1))
            for (unsigned byte = 0; byte < plain; byte++) *seen |= marks[at[byte]];
        at += plain;
        if (stops) return at;
    }
#else
    (void)delimiter;
#endif
    while (at < end && !(marks[*at] & STOP)) *seen |= marks[*at++];
    return at;
}

/* Reads one record from `*from` on; its cells, at most `width`, to `cells`. Returns how many it has; `width + 1` for
 * more; -1 where a quote is not where RFC 4180 allows it. `*from` moves past the line break, `*end` to it. */
static ptrdiff_t read_record(const struct table *table, const uint8_t *marks, const uint8_t **from, const uint8_t *data_end,
                             struct cell *cells, uint8_t **unquoted, const uint8_t **end) {
    const uint8_t *at = *from;
    size_t width = table->width, count = 0;
    for (;;) {
        struct cell cell = {{at, 0}, {NULL, 0}, {NULL, 0}, 0};
        if (table->has_quote && at < data_end && *at == table->quote) {
            const uint8_t *start = ++at;
            uint8_t *copy = NULL;
            for (;;) {
                while (at < data_end && *at != table->quote) cell.marks |= marks[*at++];
                if (at == data_end) return -1;
                at++;
                if (at == data_end || *at != table->quote) break;
                /* A doubled quote: what is before it is copied, and one of the two. */
                if (copy == NULL) copy = *unquoted;
                memcpy(*unquoted, start, (size_t)(at - start));
                *unquoted += at - start;
                cell.marks |= marks[table->quote];
                start = ++at;
            }
            size_t rest = (size_t)(at - 1 - start);
            if (copy != NULL) {
                memcpy(*unquoted, start, rest);
                *unquoted += rest;
                cell.text.at = copy;
                cell.text.size = (size_t)(*unquoted - copy);
            } else {
                cell.text.at = start;
                cell.text.size = rest;
            }
            if (at < data_end && !(marks[*at] & STOP)) return -1;
        } else {
            at = end_of_cell(at, data_end, marks, table->delimiter, &cell.marks);
            cell.text.size = (size_t)(at - cell.text.at);
        }
        if (count < width) cells[count] = cell;
        count += count <= width;
        if (at < data_end && *at == table->delimiter) {
            at++;
            continue;
        }
        *end = at;
        if (at < data_end && *at == '\r') at++, at += at < data_end && *at == '\n';
        else if (at < data_end) at++;
        *from = at;
        return (ptrdiff_t)count;
    }
}

static int equal(struct span one, struct span other) {
    return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static int compared(struct span one, struct span other) {
    if (one.size != other.size) return one.size < other.size ? -1 : 1;
    return memcmp(one.at, other.at, one.size);
}

/* The number of characters; -1 where the bytes are not valid UTF-8. */
static ptrdiff_t characters(struct span text) {
    const uint8_t *at = text.at, *end = at + text.size;
    ptrdiff_t count = 0;
    for (; at < end; count++) {
        uint8_t first = *at++;
        if (first < 0x80) continue;
        int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || end - at < more) return -1;
        uint8_t second = *at;
        if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
            (first == 0xF4 && second > 0x8F))
            return -1;
        for (; more > 0; more--)
            if ((*at++ & 0xC0) != 0x80) return -1;
    }
    return count;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What a cell may be
 * ------------------------------------------------------------------------------------------------------------------ */

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static int is_letter(uint8_t byte) { return (byte | 32) >= 'a' && (byte | 32) <= 'z'; }

static int two_digits(const uint8_t *at) {
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

static int are_digits(struct span cell) {
    uint8_t others = 0; /* no branch in the loop: the compiler takes many bytes at once */
    for (size_t byte = 0; byte < cell.size; byte++) others |= (uint8_t)(cell.at[byte] - '0') > 9;
    return !others;
}

/* `0001-01-01` to `9999-12-31`, as the calendar has it. */
static int is_date(const uint8_t *at) {
    static const uint8_t days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(at), year = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    if ((century | year | month | day) < 0 || at[4] != '-' || at[7] != '-') return 0;
    year += century * 100;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days[month]) return 0;
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static int is_datetime(struct span cell) {
    const uint8_t *at = cell.at;
    if (cell.size < 19 || cell.size > 30 || !is_date(at) || at[10] != 'T' || at[13] != ':' || at[16] != ':') return 0;
    int hour = two_digits(at + 11), minute = two_digits(at + 14), second = two_digits(at + 17);
    if ((hour | minute | second) < 0 || hour > 23 || minute > 59 || second > 59) return 0;
    size_t size = cell.size - (at[cell.size - 1] == 'Z');
    if (size == 19) return 1;
    if (at[19] != '.' || size < 21 || size > 29) return 0;
    for (size_t digit = 20; digit < size; digit++)
        if (!is_digit(at[digit])) return 0;
    return 1;
}

/* ASCII mailboxes without a quoted part (`entities/text_formats.py`, `is_plain_email`). */
static int is_email(struct span cell) {
    static const char atoms[] = "!#$%&'*+/=?^_`{|}~-";
    const uint8_t *at = cell.at, *end = at + cell.size;
    if (cell.size > 254) return 0;
    const uint8_t *sign = memchr(at, '@', cell.size);
    if (sign == NULL || sign == at || sign - at > 64) return 0;
    uint8_t last = '.';
    for (; at < sign; last = *at++) {
        if (*at == '.' ? last == '.' : !(is_letter(*at) || is_digit(*at) || memchr(atoms, *at, sizeof atoms - 1))) return 0;
    }
    if (last == '.') return 0;
    int labels = 0;
    const uint8_t *label = ++at;
    for (;; at++) {
        if (at < end && *at != '.') {
            if (!(is_letter(*at) || is_digit(*at) || (*at == '-' && at > label))) return 0;
            continue;
        }
        ptrdiff_t size = at - label;
        if (size < 1 || size > 63 || at[-1] == '-') return 0;
        labels++;
        if (at == end) return labels >= 2 && size >= 2 && is_letter(at[-1]);
        label = at + 1;
    }
}

static int fits_automaton(const struct column *column, struct span cell) {
    size_t state = 1;
    for (size_t byte = 0; byte < cell.size; byte++) {
        state = column->automaton[state * 128 + cell.at[byte]];
        if (state == 0) return 0;
    }
    return column->accepting[state];
}

/* The cells of words are few and of few sizes: a binary search. */
static const struct word *find_word(const struct word *words, size_t count, struct span cell) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compared(words[middle].cell, cell);
        if (order == 0) return &words[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

static __int128 scaled(int64_t value, int32_t scale) {
    __int128 found = value;
    for (; scale < 18; scale++) found *= 10;
    return found;
}

static int within(const struct column *column, int64_t value, int32_t scale) {
    if (!(column->flags & (HAS_LEAST | HAS_MOST))) return 1;
    __int128 ours = scaled(value, scale);
    if (column->flags & HAS_LEAST) {
        __int128 least = scaled(column->least, column->least_scale);
        if (ours < least || (ours == least && column->flags & OPEN_LEAST)) return 0;
    }
    if (column->flags & HAS_MOST) {
        __int128 greatest = scaled(column->greatest, column->greatest_scale);
        if (ours > greatest || (ours == greatest && column->flags & OPEN_MOST)) return 0;
    }
    return 1;
}

/* `-12.50` -> `-12.5`, as numbers of up to 18 digits on either side of the point; of up to 18 in all where there are
 * bounds. Size 0 where it is another spelling. */
static struct span number_text(const struct column *column, struct span cell) {
    static const struct span none = {NULL, 0};
    static const uint8_t zero[1] = {'0'};
    const uint8_t *at = cell.at, *end = at + cell.size;
    int negative = at < end && *at == '-';
    at += negative;
    const uint8_t *whole = at;
    int64_t value = 0;
    for (; at < end && is_digit(*at) && at - whole < 18; at++) value = value * 10 + (*at - '0');
    ptrdiff_t digits = at - whole;
    if (digits == 0 || (digits > 1 && *whole == '0')) return none;
    ptrdiff_t places = 0;
    const uint8_t *last = at; /* after the last digit that counts */
    if (at < end) {
        if (column->kind == INTEGER || *at != '.' || end - at < 2 || end - at > 19) return none;
        const uint8_t *fraction = ++at;
        for (; at < end; at++) {
            if (!is_digit(*at)) return none;
            if (*at != '0') last = at + 1;
        }
        places = last > fraction ? last - fraction : 0;
        if (column->flags & (HAS_LEAST | HAS_MOST)) {
            if (digits + places > 18) return none;
            for (const uint8_t *digit = fraction; digit < fraction + places; digit++) value = value * 10 + (*digit - '0');
        }
    }
    if (!within(column, negative ? -value : value, (int32_t)places)) return none;
    struct span text = {cell.at, (size_t)(last - cell.at)};
    if (negative && text.size == 2 && *whole == '0') {
        if (column->kind == INTEGER) return none; /* `-0` is another spelling of `0` */
        text = (struct span){zero, 1};
    }
    return text;
}

static int keeps_times(const struct column *column, struct span cell, size_t size) {
    if (column->flags & HAS_LEAST) {
        int order = memcmp(cell.at, column->least_text.at, size);
        if (order < 0 || (order == 0 && column->flags & OPEN_LEAST)) return 0;
    }
    if (column->flags & HAS_MOST) {
        int order = memcmp(cell.at, column->greatest_text.at, size);
        if (order > 0 || (order == 0 && column->flags & OPEN_MOST)) return 0;
    }
    return 1;
}

/* What is stored for a cell that is not missing; `at` NULL where the cell is not approved. */
static struct span checked(const struct column *column, const struct cell *cell) {
    static const struct span none = {NULL, 0};
    struct span text = cell->read;
    ptrdiff_t size = (ptrdiff_t)text.size;
    if (cell->marks & HIGH) {
        if (column->kind != TEXT && column->kind != WORDS) return none;
        size = characters(text);
        if (size < 0) return none;
    }
    switch (column->kind) {
    case TEXT:
    case DIGITS:
    case AUTOMATON:
    case EMAIL:
        if ((size_t)size < column->fewest || (size_t)size > column->most) return none;
        if (column->kind == DIGITS && !are_digits(text)) return none;
        if (column->kind == AUTOMATON && !fits_automaton(column, text)) return none;
        if (column->kind == EMAIL && !is_email(text)) return none;
        return text;
    case WORDS: {
        const struct word *word = find_word(column->words, column->word_count, text);
        return word == NULL ? none : word->text;
    }
    case INTEGER:
    case NUMBER:
        if (text.size < column->fewest || text.size > column->most) return none;
        return number_text(column, text);
    case DATE: return text.size == 10 && is_date(text.at) && keeps_times(column, text, 10) ? text : none;
    case DATETIME:
        if (!is_datetime(text)) return none;
        if (column->flags & (HAS_LEAST | HAS_MOST | KEY) && text.size > 20) return none;
        return keeps_times(column, text, 19) ? text : none;
    default: return none;
    }
}

/* ------------------------------------------------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------------------------------------------------ */

static uint8_t *copied(uint8_t *out, struct span text) {
    memcpy(out, text.at, text.size);
    return out + text.size;
}

/* As the inside of a JSON string: up to six bytes for one. */
static uint8_t *escaped(uint8_t *out, struct span text) {
    static const char hex[] = "0123456789abcdef";
    for (size_t byte = 0; byte < text.size; byte++) {
        uint8_t it = text.at[byte];
        if (it >= 32 && it != '"' && it != '\\') {
            *out++ = it;
            continue;
        }
        *out++ = '\\';
        switch (it) {
        case '\n': *out++ = 'n'; break;
        case '\r': *out++ = 'r'; break;
        case '\t': *out++ = 't'; break;
        case '\f': *out++ = 'f'; break;
        case '\b': *out++ = 'b'; break;
        case '"':
        case '\\': *out++ = it; break;
        default:
            memcpy(out, "u00", 3);
            out[3] = (uint8_t)hex[it >> 4], out[4] = (uint8_t)hex[it & 15];
            out += 5;
        }
    }
    return out;
}

/* The key of a record without a primary key: its row, in twelve digits. */
static size_t make_row_key(struct span prefix, uint64_t row, uint8_t *key) {
    if (prefix.size + 12 > MAX_KEY_BYTES || row > 999999999999u) return 0;
    memcpy(key, prefix.at, prefix.size);
    for (size_t digit = prefix.size + 12; digit-- > prefix.size; row /= 10) key[digit] = (uint8_t)('0' + row % 10);
    return prefix.size + 12;
}

/* The key of a record: its values, several joined by `|`. Size 0 where it is not approved. */
static size_t make_key(const struct table *table, const struct cell *cells, uint8_t *key, uint32_t *marks) {
    size_t size = 0;
    for (size_t part = 0; part < table->key_count; part++) {
        const struct cell *cell = &cells[table->keys[part]];
        struct span text = cell->read;
        if (!equal(cell->stored, text) || size + text.size + 1 > MAX_KEY_BYTES) return 0;
        for (size_t byte = 0; byte < text.size && table->key_count > 1; byte++)
            if (text.at[byte] == '|' || text.at[byte] == '\\') return 0;
        if (part) key[size++] = '|';
        memcpy(key + size, text.at, text.size);
        size += text.size;
        *marks |= cell->marks;
    }
    return size;
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

static int is_missing(const struct column *column, struct span text) {
    for (size_t value = 0; value < column->missing_count; value++)
        if (equal(text, column->missing[value])) return 1;
    return 0;
}

/* White space of ASCII, as Python has it. */
static int is_space(uint8_t byte) { return byte == ' ' || (byte >= 9 && byte <= 13) || (byte >= 28 && byte <= 31); }

/* Another text is read in the place of a cell. */
static void stand_in(struct cell *cell, struct span text) {
    cell->read = text;
    cell->marks &= ~(uint32_t)HIGH;
    for (size_t byte = 0; byte < text.size; byte++) cell->marks |= text.at[byte] >= 0x80 ? HIGH : 0u;
}

/* Sets `read` of a cell: what `clean` and `values` of its field make of it. What is written anew goes to `*scratch`, at
 * most as many bytes as the cell has. Returns 0 where only the rule can tell: letters beyond ASCII have cases and forms of
 * their own, and there is white space among them. */
static int is_cleaned(const struct column *column, struct cell *cell, uint8_t **scratch) {
    const uint8_t *at = cell->text.at, *end = at + cell->text.size;
    uint32_t rewrites = column->flags & (COLLAPSE | UPPER | LOWER);
    if (column->flags & TRIM) {
        while (at < end && is_space(*at)) at++;
        while (at < end && is_space(end[-1])) end--;
    }
    if (cell->marks & HIGH) {
        if (rewrites || column->flags & NFC) return 0;
        if (column->flags & TRIM && at < end && (*at >= 0x80 || end[-1] >= 0x80)) return 0;
    }
    cell->read = (struct span){at, (size_t)(end - at)};
    if (rewrites) {
        uint8_t *copy = *scratch, *out = copy;
        for (int after_space = 0; at < end; at++) {
            uint8_t it = *at;
            if (column->flags & COLLAPSE && is_space(it)) {
                if (!after_space) *out++ = ' ';
                after_space = 1;
                continue;
            }
            after_space = 0;
            if (column->flags & UPPER && it >= 'a' && it <= 'z') it = (uint8_t)(it - 32);
            if (column->flags & LOWER && it >= 'A' && it <= 'Z') it = (uint8_t)(it + 32);
            *out++ = it;
        }
        cell->read = (struct span){copy, (size_t)(out - copy)};
        *scratch = out;
    }
    if (column->value_count) {
        const struct word *word = find_word(column->values, column->value_count, cell->read);
        if (word != NULL) stand_in(cell, word->text);
    }
    return 1;
}

/* Sets `read` and `stored` of each cell. Returns how many cells are not approved, -1 where the record is to be judged as a whole.
 * Such a cell has `stored.at` NULL and a `stored.size` of 1. */
static ptrdiff_t check_cells(const struct table *table, struct cell *cells, uint8_t *scratch) {
    ptrdiff_t unverified_cells = 0;
    int is_blank = 1, is_empty = 1;
    for (size_t index = 0; index < table->width; index++) {
        const struct column *column = &table->columns[index];
        struct cell *cell = &cells[index];
        if (cell->marks & NUL) return -1;
        is_empty &= cell->text.size == 0;
        if (column->kind == IGNORED) continue;
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
        if (!absent && (!(column->flags & KEY) || is_visible(cell->read))) cell->stored = checked(column, cell);
        if (cell->stored.at == NULL && (!absent || column->flags & (REQUIRED | KEY))) {
            cell->stored.size = 1;
            unverified_cells++;
        }
    }
    return is_blank || is_empty ? -1 : unverified_cells;
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
        if (cells[index].stored.at == NULL) continue;
        if (comma) *out++ = ',';
        comma = 1;
        out = copied(out, column->opening);
        if (column->kind != WORDS && cells[index].marks & ESCAPED) out = escaped(out, cells[index].stored);
        else out = copied(out, cells[index].stored);
        out = copied(out, column->closing);
    }
    return copied(out, table->end);
}

/* The most bytes that a request has besides twelve for each byte of its record. */
static size_t constant_bytes(const struct table *table) {
    size_t sum = table->head.size + 2 + table->middle.size + table->tail.size + table->end.size + 1;
    sum += 6 * (table->key_prefix.size + 12);
    for (size_t index = 0; index < table->width; index++) {
        const struct column *column = &table->columns[index];
        size_t longest = 0;
        for (size_t word = 0; word < column->word_count; word++)
            if (column->words[word].text.size > longest) longest = column->words[word].text.size;
        sum += 1 + column->opening.size + column->closing.size + longest + 2 * column->longest_value;
    }
    return sum;
}

/* Names a record that is not approved: by its cells where `cells` is not NULL, there is room, and all of them are in
 * `data`. */
static void name_unverified(const struct table *table, const struct cell *cells, struct span data, struct unverified record,
                            size_t records_left, struct output *output) {
    size_t first = output->unverified_count, room = output->unverified_room - first;
    record.column = WHOLE;
    if (cells != NULL && room > records_left + table->width) {
        for (size_t index = 0; index < table->width; index++) {
            const struct cell *cell = &cells[index];
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

/* Makes requests of the first `records` records of `data`, a whole number of records, the first of which is row
 * `first_row`.
 *
 * Returns 0 on success; -1 where a quote is not where RFC 4180 allows it or the records end early, -2 where `output` has
 * no room: then the output has no meaning. There must be room for `records` rows, digests, ends and
 * unverified records, for `width` cells, and for twice `size` scratch bytes. */
int waybill_load_rows(const struct table *table, const uint8_t *data, size_t size, size_t records, uint64_t first_row,
                      struct output *output) {
    uint8_t marks[256];
    set_marks(marks, table);
    size_t constant = constant_bytes(table);
    const struct span all = {data, size};
    const uint8_t *at = data, *data_end = data + size;
    output->texts_size = output->keys_size = output->good = output->unverified_count = 0;
    for (size_t record = 0; record < records; record++) {
        if (at == data_end) return -1;
        const uint8_t *start = at, *end = at;
        uint8_t *unquoted = output->unquoted, key[MAX_KEY_BYTES];
        ptrdiff_t count = read_record(table, marks, &at, data_end, output->cells, &unquoted, &end);
        if (count < 0) return -1;
        size_t length = (size_t)(end - start), key_size = 0;
        uint32_t key_marks = 0;
        if (output->keys_room - output->keys_size < MAX_KEY_BYTES) return -2;
        ptrdiff_t unverified_cells = -1;
        if ((size_t)count == table->width && length <= MAX_RECORD_BYTES) unverified_cells = check_cells(table, output->cells, unquoted);
        int has_key = unverified_cells >= 0;
        for (size_t part = 0; has_key && part < table->key_count; part++)
            has_key = output->cells[table->keys[part]].stored.at != NULL;
        if (has_key)
            key_size = table->key_count ? make_key(table, output->cells, key, &key_marks)
                                        : make_row_key(table->key_prefix, first_row + record, key);
        int is_good = unverified_cells == 0 && key_size > 0;
        if (is_good && output->texts == NULL) is_good = constant + 12 * length <= MAX_ITEM_BYTES;
        struct span whole = {key, key_size};
        uint64_t digest = is_good ? waybill_digest(key, key_size) : 0;
        if (is_good && output->texts != NULL) {
            if (output->texts_room - output->texts_size < constant + 12 * length) return -2;
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
            struct unverified whole_record = {(uint32_t)record, (uint32_t)(start - data), (uint32_t)(end - data), WHOLE, 0, 0};
            /* Cells that are good may make a key that is not. */
            int by_cells = unverified_cells > 0 && (!has_key || key_size > 0);
            name_unverified(table, by_cells ? output->cells : NULL, all, whole_record, records - record, output);
            continue;
        }
        memcpy(output->keys + output->keys_size, key, key_size);
        output->keys_size += key_size;
        output->rows[output->good] = first_row + record;
        output->digests[output->good] = digest;
        output->key_ends[output->good++] = (uint32_t)output->keys_size;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Cutting and sorting
 * ------------------------------------------------------------------------------------------------------------------ */

/* How often a byte occurs: without a branch, so that the compiler takes many at once. */
size_t waybill_count(const uint8_t *data, size_t size, uint8_t byte) {
    size_t found = 0;
    while (size > 0) {
        size_t some = size < 255 ? size : 255; /* as many as one byte can count */
        uint8_t here = 0;
        for (size_t index = 0; index < some; index++) here = (uint8_t)(here + (data[index] == byte));
        found += here;
        data += some, size -= some;
    }
    return found;
}

/* Where the last whole record of a buffer ends, by RFC 4180: `found` gets the offset, the number of records up to
 * there, and whether a quote is open at the end of the buffer. Returns 0; -1 where a quote is not structural.
 *
 * With `final` the buffer reaches the end of the file: a last record needs no line break. */
int waybill_cut(const uint8_t *data, size_t size, uint8_t delimiter, uint8_t quote, int final, size_t found[3]) {
    size_t records = 0, end = 0;
    const uint8_t *at = data, *data_end = data + size;
    int is_open = 0;
    while (at < data_end) {
        if (*at == quote) { /* at the start of a cell */
            for (at++;;) {
                at = memchr(at, quote, (size_t)(data_end - at));
                if (at == NULL || at + 1 == data_end) {
                    /* Open; or closed by the last byte, unless more would make a doubled quote of it. */
                    is_open = at == NULL;
                    at = data_end;
                    break;
                }
                if (*++at != quote) break;
                at++;
            }
            if (is_open || at == data_end) break;
        }
        while (at < data_end && *at != delimiter && *at != '\n' && *at != '\r') {
            if (*at == quote || (at > data && at[-1] == quote)) return -1;
            at++;
        }
        if (at == data_end) break;
        if (*at == delimiter) {
            at++;
            continue;
        }
        if (*at == '\r') {
            if (at + 1 == data_end && !final) break; /* may be half of CR LF */
            at += at + 1 < data_end && at[1] == '\n';
        }
        end = (size_t)(++at - data);
        records++;
    }
    if (final && !is_open && end < size) records++, end = size;
    found[0] = end, found[1] = records, found[2] = (size_t)is_open;
    return 0;
}

/* Puts (digest, row) pairs by the low bits of the digest, keeping their order: for each of `partitions` partitions, a
 * power of two, `sorted`, of 2 * `count` elements, gets its digests and then its rows. `counts` comes as zeros
 * and gets the number of pairs of each; `ends` is scratch of as many. */
void waybill_partition(const uint64_t *digests, const uint64_t *rows, size_t count, size_t partitions, uint64_t *counts,
                       uint64_t *ends, uint64_t *sorted) {
    for (size_t pair = 0; pair < count; pair++) counts[digests[pair] & (partitions - 1)]++;
    for (size_t part = 0, start = 0; part < partitions; part++) {
        ends[part] = start;
        start += 2 * counts[part];
    }
    for (size_t pair = 0; pair < count; pair++) {
        size_t part = digests[pair] & (partitions - 1);
        uint64_t *place = sorted + ends[part]++;
        place[0] = digests[pair];
        place[counts[part]] = rows[pair];
    }
}

/* Whether a digest occurs more than once: 1 or 0. `seen` is scratch of `slots` elements, a power of two of at least twice
 * `count`; zeros at first. */
int waybill_repeats(const uint64_t *digests, size_t count, uint64_t *seen, size_t slots) {
    int has_zero = 0;
    for (size_t index = 0; index < count; index++) {
        uint64_t digest = digests[index];
        if (digest == 0) {
            if (has_zero) return 1;
            has_zero = 1;
            continue;
        }
        /* The low bits are those of the partition, all alike. */
        size_t slot = (size_t)(digest * PRIME_1 >> 20) & (slots - 1);
        while (seen[slot] != 0) {
            if (seen[slot] == digest) return 1;
            slot = (slot + 1) & (slots - 1);
        }
        seen[slot] = digest;
    }
    return 0;
}
