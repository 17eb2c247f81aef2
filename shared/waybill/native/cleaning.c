/* What `clean`, `values` and `default` of a field make of its cells. */
#include "native.h"

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

/* Whether an export put a quote before this text, which a spreadsheet would take for a formula (`tabular/formulas.py`). */
static int is_guarded(struct span text) {
    const uint8_t *at = text.at, *end = at + text.size;
    if (at == end || *at != '\'') return 0;
    while (at < end && *at == '\'') at++;
    return at < end && (*at == '=' || *at == '+' || *at == '-' || *at == '@' || *at == '\t' || *at == '\r');
}

/* Sets `read` of a cell: what `clean` and `values` of its field make of it. What is written anew goes to `*scratch`, at
 * most as many bytes as the cell has. Returns 0 where only the rule can tell: letters beyond ASCII have cases and forms of
 * their own, and there is white space among them. */
static int is_cleaned(const struct column *column, struct cell *cell, uint8_t **scratch) {
    const uint8_t *at = cell->text.at, *end = at + cell->text.size;
    uint32_t rewrites = column->flags & (COLLAPSE | UPPER | LOWER);
    if (column->flags & GUARDED && is_guarded(cell->text)) at++;
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
