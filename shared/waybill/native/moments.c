/* Dates, times and durations: in ISO 8601, and by a pattern of strptime. */
#include "native.h"

static int two_digits(const uint8_t *at) {
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

/* Of the years 1 to 9999. */
static int is_day(int year, int month, int day) {
    static const uint8_t days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days[month]) return 0;
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* `0001-01-01` to `9999-12-31`, as the calendar has it. */
static int is_date(const uint8_t *at) {
    int century = two_digits(at), year = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    if ((century | year | month | day) < 0 || at[4] != '-' || at[7] != '-') return 0;
    return is_day(century * 100 + year, month, day);
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

static uint8_t *with_two_digits(uint8_t *out, int value) {
    *out++ = (uint8_t)('0' + value / 10);
    *out++ = (uint8_t)('0' + value % 10);
    return out;
}

/* The number at `*from` of at most two digits; of exactly two where another directive follows at once. */
static int short_number(const uint8_t **from, const uint8_t *end, int is_last) {
    const uint8_t *at = *from;
    if (end - at >= 2 && is_digit(at[0]) && is_digit(at[1])) {
        *from += 2;
        return two_digits(at);
    }
    if (!is_last || at == end || !is_digit(*at)) return -1;
    *from += 1;
    return *at - '0';
}

/* A date or time of a pattern, as ISO 8601, written to `*scratch`. `at` NULL where only the rule can tell. */
static struct span moment_text(const struct column *column, struct span cell, uint8_t **scratch) {
    static const struct span none = {NULL, 0};
    int year = 1900, month = 1, day = 1, hour = 0, minute = 0, second = 0;
    const uint8_t *at = cell.at, *end = at + cell.size;
    for (size_t place = 0; place < column->pattern.size; place++) {
        uint8_t it = column->pattern.at[place];
        if (it < 0x80) {
            if (at == end || *at++ != it) return none;
            continue;
        }
        int is_last = place + 1 == column->pattern.size || column->pattern.at[place + 1] < 0x80, number;
        if (it == ('Y' | 0x80)) {
            if (end - at < 4 || (two_digits(at) | two_digits(at + 2)) < 0) return none;
            year = two_digits(at) * 100 + two_digits(at + 2);
            at += 4;
            continue;
        }
        number = short_number(&at, end, is_last && it != ('y' | 0x80));
        if (number < 0) return none;
        switch (it & 0x7F) {
        case 'y': year = number + (number < 69 ? 2000 : 1900); break;
        case 'm': month = number; break;
        case 'd': day = number; break;
        case 'H': hour = number; break;
        case 'M': minute = number; break;
        case 'S': second = number; break;
        default: return none;
        }
    }
    if (at != end || !is_day(year, month, day) || hour > 23 || minute > 59 || second > 59) return none;
    uint8_t *out = *scratch;
    if (column->flags & WITH_DATE) {
        out = with_two_digits(with_two_digits(out, year / 100), year % 100);
        *out++ = '-';
        out = with_two_digits(out, month);
        *out++ = '-';
        out = with_two_digits(out, day);
    }
    if ((column->flags & (WITH_DATE | WITH_TIME)) == (WITH_DATE | WITH_TIME)) *out++ = 'T';
    if (column->flags & WITH_TIME) {
        out = with_two_digits(out, hour);
        *out++ = ':';
        out = with_two_digits(out, minute);
        *out++ = ':';
        out = with_two_digits(out, second);
    }
    struct span text = {*scratch, (size_t)(out - *scratch)};
    *scratch = out;
    return keeps_times(column, text, text.size) ? text : none;
}

/* `P1Y2M3DT4H5M6.7S`, `P8W`, with an optional minus; up to 100 characters. */
static int is_duration(struct span cell) {
    const uint8_t *at = cell.at, *end = at + cell.size;
    const char *units = "YMD";
    if (cell.size > 100) return 0;
    if (at < end && *at == '-') at++;
    if (at == end || *at++ != 'P' || at == end) return 0;
    int parts = 0, in_time = 0;
    while (at < end) {
        if (*at == 'T') {
            if (in_time || at + 1 == end) return 0;
            in_time = 1;
            units = "HMS";
            at++;
        }
        const uint8_t *first = at;
        while (at < end && is_digit(*at)) at++;
        if (at == first || at == end) return 0;
        int has_fraction = *at == '.';
        if (has_fraction) {
            for (first = ++at; at < end && is_digit(*at);) at++;
            if (at == first || at == end || *at != 'S') return 0;
        }
        if (*at == 'W') return parts == 0 && !in_time && !has_fraction && at + 1 == end;
        while (*units && (uint8_t)*units != *at) units++;
        if (*units == 0) return 0;
        units++, at++, parts++;
    }
    return 1;
}
