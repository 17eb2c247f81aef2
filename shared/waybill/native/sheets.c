/* Rows of worksheets and shared texts (ECMA-376 part 1, 18.3 and 18.4), in the form in which the usual programs write them.
 *
 * What has another form is left to the parser: reading stops before it. The caller hands over whole elements, and only
 * text without comments, CDATA sections, processing instructions and control characters (`tabular/xlsx_xml.py`). */
#include "native.h"

#define FEW_GAPS 100

/* Moves past a text, if it is there. */
static int passed(const uint8_t **at, const uint8_t *end, const char *text) {
    size_t size = strlen(text);
    if ((size_t)(end - *at) < size || memcmp(*at, text, size) != 0) return 0;
    *at += size;
    return 1;
}

/* Moves past a number of up to nine digits. */
static int passed_number(const uint8_t **at, const uint8_t *end, uint32_t *number) {
    const uint8_t *start = *at;
    for (*number = 0; *at < end && *at - start < 10 && is_digit(**at); ++*at) *number = *number * 10 + (uint32_t)(**at - '0');
    return *at > start && *at - start < 10;
}

/* Moves past text without entities to the next tag. */
static int passed_text(const uint8_t **at, const uint8_t *end, struct span *text) {
    const uint8_t *stop = memchr(*at, '<', (size_t)(end - *at));
    if (stop == NULL) return 0;
    *text = (struct span){*at, (size_t)(stop - *at)};
    *at = stop;
    return memchr(text->at, '&', text->size) == NULL;
}

/* Whether a text says what it is: `_x000D_` and the like stand for other characters. */
static int is_literal(struct span text) {
    for (size_t byte = 1; byte < text.size; byte++)
        if (text.at[byte] == 'x' && text.at[byte - 1] == '_') return 0;
    return memchr(text.at, 0, text.size) == NULL;
}

/* Moves past the attributes of a tag. `number` gets the value of `r`, if it has one. */
static int passed_attributes(const uint8_t **at, const uint8_t *end, uint32_t *number) {
    while (*at < end && **at == ' ') {
        const uint8_t *name = ++*at;
        while (*at < end && (is_letter(**at) || is_digit(**at) || memchr("_:.-", **at, 4) != NULL)) ++*at;
        struct span named = {name, (size_t)(*at - name)};
        if (named.size == 0 || !passed(at, end, "=\"")) return 0;
        if (number != NULL && named.size == 1 && *name == 'r') {
            if (*number != 0 || !passed_number(at, end, number) || *number == 0) return 0;
        } else {
            while (*at < end && **at != '"' && **at != '<' && **at != '&') ++*at;
        }
        if (!passed(at, end, "\"")) return 0;
    }
    return 1;
}

/* Moves past a formula, whose value must follow. */
static int passed_formula(const uint8_t **at, const uint8_t *end) {
    struct span formula;
    if (!passed_attributes(at, end, NULL)) return 0;
    if (!passed(at, end, "/>")) {
        if (!passed(at, end, ">")) return 0;
        const uint8_t *stop = memchr(*at, '<', (size_t)(end - *at));
        if (stop == NULL) return 0;
        *at = stop;
        if (!passed(at, end, "</f>")) return 0;
    }
    const uint8_t *value = *at;
    return passed(&value, end, "<v>") && passed_text(&value, end, &formula) && formula.size > 0 && formula.at[0] > ' ' &&
           formula.at[0] < 0x7F;
}

/* Adds a cell: its text, with a NUL behind it, and, where it is no text, what it is. */
static int add_cell(struct sheet *sheet, struct span text, uint32_t type, uint32_t style) {
    if (sheet->cells_room - sheet->cells_size < text.size + 1) return 0;
    if (type != TEXT_CELL) {
        if (sheet->other_count == sheet->others_room) return 0;
        sheet->others[sheet->other_count++] = (struct other_cell){(uint32_t)sheet->cell_count, type, style};
    }
    uint8_t *out = copied(sheet->cells + sheet->cells_size, text);
    *out = 0;
    sheet->cells_size += text.size + 1;
    sheet->cell_count++;
    return 1;
}

/* Adds empty cells up to a column that is named by letters, of which the row has `has`. */
static int filled_up(struct sheet *sheet, const uint8_t *letters, size_t count, size_t has) {
    size_t column = 0;
    if (count > 3) return 0;
    for (size_t letter = 0; letter < count; letter++) column = column * 26 + (size_t)(letters[letter] - 'A') + 1;
    if (--column < has || column >= MAX_COLUMNS || column - has > sheet->gaps_left || column - has > FEW_GAPS) return 0;
    for (; has < column; has++, sheet->gaps_left--)
        if (!add_cell(sheet, (struct span){sheet->cells, 0}, EMPTY_CELL, 0)) return 0;
    return 1;
}

/* Moves past a cell, from behind its `<c`, and adds it to a row that has `has` cells. */
static int passed_cell(const uint8_t **at, const uint8_t *end, struct sheet *sheet, size_t has) {
    uint32_t style = 0, number = 0;
    struct span type = {NULL, 0}, text = {*at, 0};
    int is_inline = 0;
    if (passed(at, end, " r=\"")) {
        const uint8_t *letters = *at;
        while (*at < end && **at >= 'A' && **at <= 'Z') ++*at;
        size_t count = (size_t)(*at - letters);
        if (count == 0 || !passed_number(at, end, &number) || !passed(at, end, "\"")) return 0;
        if (!filled_up(sheet, letters, count, has)) return 0;
    }
    if (passed(at, end, " s=\"") && !(passed_number(at, end, &style) && passed(at, end, "\""))) return 0;
    if (passed(at, end, " t=\"")) {
        type.at = *at;
        while (*at < end && is_letter(**at)) ++*at;
        type.size = (size_t)(*at - type.at);
        if (type.size == 0 || !passed(at, end, "\"")) return 0;
    }
    if (!passed(at, end, "/>")) {
        if (!passed(at, end, ">")) return 0;
        if (passed(at, end, "<f") && !passed_formula(at, end)) return 0;
        if (passed(at, end, "<v>")) {
            if (!passed_text(at, end, &text) || !passed(at, end, "</v>")) return 0;
        } else if (passed(at, end, "<is>")) {
            is_inline = 1;
            if (!passed(at, end, "<t>") && !passed(at, end, "<t xml:space=\"preserve\">")) return 0;
            if (!passed_text(at, end, &text) || !passed(at, end, "</t></is>")) return 0;
        }
        if (!passed(at, end, "</c>")) return 0;
    }
    if (text.size == 0 && !is_inline) return add_cell(sheet, text, EMPTY_CELL, 0);
    uint32_t kind = is_inline ? TEXT_CELL : type.size == 0 ? 'n' : type.size == 1 ? *type.at : TEXT_CELL;
    if (kind == 's') {
        const uint8_t *digits = text.at;
        if (!passed_number(&digits, text.at + text.size, &number) || digits != text.at + text.size) return 0;
        if (number >= sheet->text_count) return 0;
        uint64_t start = sheet->text_ends[number];
        text = (struct span){sheet->texts.at + start, (size_t)(sheet->text_ends[number + 1] - start)};
        return memchr(text.at, 0, text.size) == NULL && add_cell(sheet, text, TEXT_CELL, 0);
    }
    if (kind != 'n' && kind != 'b' && kind != 'd') kind = TEXT_CELL;
    return (kind != TEXT_CELL || is_literal(text)) && add_cell(sheet, text, kind, style);
}

/* Moves past a row, and adds it. */
static int passed_row(const uint8_t **at, const uint8_t *end, struct sheet *sheet) {
    uint32_t number = 0;
    size_t first = sheet->cell_count, gaps_left = sheet->gaps_left;
    while (*at < end && (**at == ' ' || **at == '\n' || **at == '\t')) ++*at;
    if (sheet->row_count == sheet->rows_room || !passed(at, end, "<row")) return 0;
    if (!passed_attributes(at, end, &number) || !passed(at, end, ">")) return 0;
    while (!passed(at, end, "</row>")) {
        size_t has = sheet->cell_count - first;
        if (has == MAX_COLUMNS || !passed(at, end, "<c") || !passed_cell(at, end, sheet, has)) return 0;
    }
    uint32_t gaps = (uint32_t)(gaps_left - sheet->gaps_left);
    sheet->rows[sheet->row_count++] = (struct sheet_row){number, (uint32_t)sheet->cell_count, gaps};
    return 1;
}

/* Whether XML has no comments, CDATA sections, declarations, processing instructions and control characters. */
int waybill_is_plain_xml(const uint8_t *data, size_t size) {
    uint8_t others = 0; /* no branch in the loop: the compiler takes many bytes at once */
    for (size_t byte = 0; byte < size; byte++) others |= (data[byte] < 32) & (data[byte] != '\t') & (data[byte] != '\n');
    for (size_t byte = 1; byte < size; byte++) others |= (data[byte - 1] == '<') & ((data[byte] == '!') | (data[byte] == '?'));
    return !others;
}

/* Reads rows from `start` on, up to the first of another form, or for which there is no room. Returns where that begins. */
size_t waybill_sheet_rows(const uint8_t *data, size_t start, size_t size, struct sheet *sheet) {
    const uint8_t *at = data + start;
    sheet->cells_size = sheet->cell_count = sheet->other_count = sheet->row_count = 0;
    for (;;) {
        const struct sheet before = *sheet;
        const uint8_t *row = at;
        if (!passed_row(&at, data + size, sheet)) {
            *sheet = before;
            return (size_t)(row - data);
        }
    }
}

/* Reads shared texts from `start` on, up to the first of another form, one after the other to `texts`, which has room for
 * all of `data`; `ends` gets the offset after each, counted from `base`. `found` gets the bytes and the texts. Returns where
 * the first of another form begins. */
size_t waybill_shared_texts(const uint8_t *data, size_t start, size_t size, uint64_t base, uint8_t *texts, uint64_t *ends,
                            size_t found[2]) {
    const uint8_t *at = data + start, *end = data + size;
    uint8_t *out = texts;
    for (found[1] = 0;; found[1]++) {
        const uint8_t *item = at;
        struct span text;
        if (!passed(&at, end, "<si><t>") || !passed_text(&at, end, &text) || !passed(&at, end, "</t></si>") || !is_literal(text)) {
            found[0] = (size_t)(out - texts);
            return (size_t)(item - data);
        }
        out = copied(out, text);
        ends[found[1]] = base + (uint64_t)(out - texts);
    }
}
