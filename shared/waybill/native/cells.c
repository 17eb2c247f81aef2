/* What a cell of each kind may be, and what is stored for it. */
#include "native.h"

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
static struct span checked(const struct column *column, struct cell *cell) {
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
        if (word == NULL) return none;
        cell->marks |= READY;
        return word->text;
    }
    case INTEGER:
    case NUMBER:
        if (text.size < column->fewest || text.size > column->most) return none;
        return number_text(column, text);
    case DATE: return text.size == 10 && is_date(text.at) && keeps_times(column, text, 10) ? text : none;
    case DATETIME:
        if (!is_datetime(text)) return none;
        if (column->flags & (HAS_LEAST | HAS_MOST | COMPARED) && text.size > 20) return none;
        return keeps_times(column, text, 19) ? text : none;
    default: return none;
    }
}

/* Equal values have equal identities: of numbers the spelling that is stored, else the cell where that is stored. */
static struct span identity_of(const struct column *column, const struct cell *cell) {
    static const struct span unknown = {NULL, 0};
    if (column->kind == INTEGER || column->kind == NUMBER) return cell->stored;
    return equal(cell->stored, cell->read) ? cell->read : unknown;
}
