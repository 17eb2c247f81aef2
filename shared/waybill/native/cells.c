/* What a cell of each kind may be, and what is stored for it. */
#include "native.h"

/* Whether eight bytes are digits: 3 in the high half of each, also after 6 is added. */
static int are_eight_digits(const uint8_t *at) {
    const uint64_t high = 0xF0F0F0F0F0F0F0F0u, threes = 0x3030303030303030u;
    uint64_t bytes = read_64(at);
    return ((bytes ^ threes) & high) == 0 && (((bytes + 0x0606060606060606u) ^ threes) & high) == 0;
}

static int are_digits(struct span cell) {
    size_t byte = 0;
    if (cell.size >= 8) {
        for (; cell.size - byte >= 8; byte += 8)
            if (!are_eight_digits(cell.at + byte)) return 0;
        return are_eight_digits(cell.at + cell.size - 8);
    }
    for (; byte < cell.size; byte++)
        if (!is_digit(cell.at[byte])) return 0;
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

static struct span list_text(const struct column *column, struct cell *cell, uint8_t **scratch);

/* What is stored for a cell that is not missing; `at` NULL where the cell is not approved. */
static struct span checked(const struct column *column, struct cell *cell, uint8_t **scratch) {
    static const struct span none = {NULL, 0};
    struct span text = cell->read;
    ptrdiff_t size = (ptrdiff_t)text.size;
    if (cell->marks & HIGH) {
        int is_number = column->kind == NUMBER || column->kind == INTEGER;
        if (is_number ? !(column->flags & SPELLED) : column->kind != TEXT && column->kind != WORDS && column->kind != LIST)
            return none;
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
        if (word == NULL) return none;
        cell->marks |= READY;
        return word->text;
    }
    case INTEGER:
    case NUMBER:
        if (text.size < column->fewest || text.size > column->most) return none;
        if (column->flags & SPELLED) text = plain_number(column, text, scratch);
        return text.at == NULL ? none : number_text(column, text);
    case DATE: return text.size == 10 && is_date(text.at) && keeps_times(column, text, 10) ? text : none;
    case DATETIME:
        if (!is_datetime(text)) return none;
        if (column->flags & (HAS_LEAST | HAS_MOST | COMPARED) && text.size > 20) return none;
        return keeps_times(column, text, 19) ? text : none;
    case MOMENT: return moment_text(column, text, scratch);
    case DURATION: return is_duration(text) ? text : none;
    case LIST: return list_text(column, cell, scratch);
    default: return none;
    }
}

/* A list as an attribute value in JSON, written to `*scratch`; `at` NULL where an item is not approved. */
static struct span list_text(const struct column *column, struct cell *cell, uint8_t **scratch) {
    static const struct span none = {NULL, 0};
    const uint8_t *at = cell->read.at, *end = at + cell->read.size;
    uint8_t *out = *scratch;
    size_t items = 0;
    out = copied(out, (struct span){(const uint8_t *)"{\"L\":[", 6});
    for (int is_last = 0; !is_last; items++) {
        const uint8_t *stop = at;
        size_t size = column->separator.size;
        while (size <= (size_t)(end - stop) && memcmp(stop, column->separator.at, size) != 0) stop++;
        is_last = size > (size_t)(end - stop);
        if (is_last) stop = end;
        struct cell item = {.read = {at, (size_t)(stop - at)}, .marks = cell->marks & ~(uint32_t)READY};
        item.stored = checked(column->item, &item, scratch); /* of kinds that write nothing there */
        if (item.stored.at == NULL) return none;
        if (items) *out++ = ',';
        out = copied(out, column->item->opening);
        out = (item.marks & (ESCAPED | READY)) == ESCAPED ? escaped(out, item.stored) : copied(out, item.stored);
        out = copied(out, column->item->closing);
        at = stop + (is_last ? 0 : size);
    }
    if (items < column->fewest || items > column->most) return none;
    out = copied(out, (struct span){(const uint8_t *)"]}", 2});
    struct span text = {*scratch, (size_t)(out - *scratch)};
    *scratch = out;
    cell->marks |= READY;
    return text;
}

/* Equal values have equal identities: of numbers the spelling that is stored, else the cell where that is stored. */
static struct span identity_of(const struct column *column, const struct cell *cell) {
    static const struct span unknown = {NULL, 0};
    if (column->kind == INTEGER || column->kind == NUMBER || column->kind == MOMENT) return cell->stored;
    return equal(cell->stored, cell->read) ? cell->read : unknown;
}
