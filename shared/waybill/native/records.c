/* Records and their cells (RFC 4180): reading one, and finding where the last whole one of a buffer ends. */
#include "native.h"

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
                             struct cell *cells, uint8_t **scratch, const uint8_t **end) {
    const uint8_t *at = *from;
    size_t width = table->width, count = 0;
    for (;;) {
        struct span text = {at, 0};
        uint32_t seen = 0;
        if (table->has_quote && at < data_end && *at == table->quote) {
            const uint8_t *start = ++at;
            uint8_t *copy = NULL;
            for (;;) {
                while (at < data_end && *at != table->quote) seen |= marks[*at++];
                if (at == data_end) return -1;
                at++;
                if (at == data_end || *at != table->quote) break;
                /* A doubled quote: what is before it is copied, and one of the two. */
                if (copy == NULL) copy = *scratch;
                memcpy(*scratch, start, (size_t)(at - start));
                *scratch += at - start;
                seen |= marks[table->quote];
                start = ++at;
            }
            size_t rest = (size_t)(at - 1 - start);
            if (copy != NULL) {
                memcpy(*scratch, start, rest);
                *scratch += rest;
                text = (struct span){copy, (size_t)(*scratch - copy)};
            } else {
                text = (struct span){start, rest};
            }
            if (at < data_end && !(marks[*at] & STOP)) return -1;
        } else {
            at = end_of_cell(at, data_end, marks, table->delimiter, &seen);
            text.size = (size_t)(at - text.at);
        }
        if (count < width) {
            /* Member by member: a copy of a whole structure waits for its last member to be stored. */
            struct cell *cell = &cells[count];
            cell->text = text;
            cell->read = cell->stored = cell->identity = (struct span){NULL, 0};
            cell->marks = seen;
        }
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

/* As `waybill_cut`, of a buffer with neither quotes nor CR; -1 where there is one. Without a branch, as above. */
int waybill_cut_lines(const uint8_t *data, size_t size, uint8_t quote, size_t found[2]) {
    size_t lines = 0;
    for (size_t start = 0; start < size; start += 240) { /* one byte counts to 255 */
        size_t end = size - start < 240 ? size : start + 240;
        uint8_t here = 0, others = 0;
        for (size_t index = start; index < end; index++) {
            here = (uint8_t)(here + (data[index] == '\n'));
            others |= (data[index] == quote) | (data[index] == '\r');
        }
        if (others) return -1;
        lines += here;
    }
    while (size > 0 && data[size - 1] != '\n') size--;
    found[0] = size, found[1] = lines;
    return 0;
}

/* The next quote or line break, or `end`. */
static const uint8_t *next_mark(const uint8_t *at, const uint8_t *end, uint8_t quote) {
#ifdef __SSE2__
    const __m128i quotes = _mm_set1_epi8((char)quote), feeds = _mm_set1_epi8('\n'), returns = _mm_set1_epi8('\r');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, feeds), _mm_cmpeq_epi8(bytes, returns)));
        unsigned found = (unsigned)_mm_movemask_epi8(marks);
        if (found) return at + __builtin_ctz(found);
    }
#endif
    while (at < end && *at != quote && *at != '\n' && *at != '\r') at++;
    return at;
}

/* Where the last whole record of a buffer ends, by RFC 4180: `found` gets the offset, the number of records up to
 * there, and whether a quote is open at the end of the buffer. Returns 0; -1 where a quote is not structural.
 *
 * With `final` the buffer reaches the end of the file: a last record needs no line break. */
int waybill_cut(const uint8_t *data, size_t size, uint8_t delimiter, uint8_t quote, int final, size_t found[3]) {
    size_t records = 0, end = 0;
    const uint8_t *at = data, *data_end = data + size;
    int is_open = 0;
    while ((at = next_mark(at, data_end, quote)) < data_end) {
        if (*at == quote) {
            /* It opens a cell, or is stray. */
            if (at > data && at[-1] != delimiter && at[-1] != '\n' && at[-1] != '\r') return -1;
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
            if (at == data_end) break;
            if (*at == delimiter) {
                at++;
                continue;
            }
            if (*at != '\n' && *at != '\r') return -1;
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
