/* Spans of bytes: comparing, counting characters (RFC 3629), copying, and writing as JSON text (RFC 8259). */
#include "native.h"

static int equal(struct span one, struct span other) {
    return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static int compared(struct span one, struct span other) {
    if (one.size != other.size) return one.size < other.size ? -1 : 1;
    return memcmp(one.at, other.at, one.size);
}

/* The end of the character that begins at `at`; NULL where the bytes are not valid UTF-8. */
static const uint8_t *end_of_character(const uint8_t *at, const uint8_t *end) {
    uint8_t first = *at++;
    if (first < 0x80) return at;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || end - at < more) return NULL;
    uint8_t second = *at;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
        return NULL;
    for (; more > 0; more--)
        if ((*at++ & 0xC0) != 0x80) return NULL;
    return at;
}

/* The number of characters; -1 where the bytes are not valid UTF-8. */
static ptrdiff_t characters(struct span text) {
    const uint8_t *at = text.at, *end = at + text.size;
    ptrdiff_t count = 0;
    for (; at < end; count++)
        if ((at = end_of_character(at, end)) == NULL) return -1;
    return count;
}

/* Whether bytes are valid UTF-8: 1 or 0. */
int waybill_is_utf8(const uint8_t *data, size_t size) {
    const uint8_t *at = data, *end = data + size;
    while (at < end) {
        if (end - at >= 8 && !(read_64(at) & 0x8080808080808080u)) at += 8;
        else if ((at = end_of_character(at, end)) == NULL) return 0;
    }
    return 1;
}

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

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static int is_letter(uint8_t byte) { return (byte | 32) >= 'a' && (byte | 32) <= 'z'; }
