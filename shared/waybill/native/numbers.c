/* Numbers: plain ones, and those that are spelled with a decimal comma, with groups, or with text around them. */
#include "native.h"

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

/* `-12.50` -> `-12.5`, `+007` -> `7`, as numbers of up to 18 digits on either side of the point; of up to 18 in all where there are
 * bounds. Size 0 where it is another spelling. */
static struct span number_text(const struct column *column, struct span cell) {
    static const struct span none = {NULL, 0};
    static const uint8_t zero[1] = {'0'};
    const uint8_t *at = cell.at, *end = at + cell.size;
    int negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    while (!negative && end - at >= 2 && *at == '0' && is_digit(at[1])) at++;
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
    if (negative && last == whole + 1 && *whole == '0') return (struct span){zero, 1};
    const uint8_t *first = negative ? cell.at : whole;
    return (struct span){first, (size_t)(last - first)};
}

/* The size of a space at `at`, of those that stand for any space between groups of digits; 0 where there is none. */
static size_t space_size(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == ' ') return 1;
    if (end - at >= 2 && at[0] == 0xC2 && at[1] == 0xA0) return 2; /* U+00A0 */
    if (end - at >= 3 && at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0xAF || (at[2] >= 0x80 && at[2] <= 0x8A))) return 3;
    return 0;
}

/* The size of a divider of groups at `at`: there is a digit behind it. */
static size_t group_size(const struct column *column, const uint8_t *at, const uint8_t *end) {
    size_t size = column->group.size;
    if (column->flags & SPACED) size = space_size(at, end);
    else if (size > (size_t)(end - at) || memcmp(at, column->group.at, size) != 0) size = 0;
    return size > 0 && at + size < end && is_digit(at[size]) ? size : 0;
}

/* The size of a character at `at` that may stand around a number and says nothing of its sign: letters, spaces, the
 * commonest signs of currencies and `%`. */
static size_t wording_size(const uint8_t *at, const uint8_t *end) {
    if (is_letter(*at) || *at == '$' || *at == '%') return 1;
    if (end - at >= 2 && at[0] == 0xC2 && (at[1] == 0xA3 || at[1] == 0xA5)) return 2;                 /* pound, yen */
    if (end - at >= 3 && at[0] == 0xE2 && at[1] == 0x82 && at[2] == 0xAC) return 3; /* euro */
    return space_size(at, end);
}

/* A number in its column's spelling, as plain decimal text, written to `*scratch`. `at` NULL where only the rule can tell. */
static struct span plain_number(const struct column *column, struct span cell, uint8_t **scratch) {
    static const struct span none = {NULL, 0};
    const uint8_t *at = cell.at, *end = at + cell.size;
    uint8_t *out = *scratch;
    size_t size;
    while (column->flags & WITH_TEXT && at < end && (size = wording_size(at, end)) > 0) at += size;
    if (at < end && *at == '-') *out++ = *at++;
    if (at == end || !is_digit(*at)) return none;
    while (at < end) {
        if (is_digit(*at)) *out++ = *at++;
        else if (column->group.size && (size = group_size(column, at, end)) > 0) at += size;
        else break;
    }
    if (column->kind == NUMBER && at < end && *at == column->point) {
        *out++ = '.';
        for (at++; at < end && is_digit(*at);) *out++ = *at++;
    }
    while (column->flags & WITH_TEXT && at < end && (size = wording_size(at, end)) > 0) at += size;
    if (at != end) return none;
    struct span text = {*scratch, (size_t)(out - *scratch)};
    *scratch = out;
    return text;
}
