/* Pages of a Query or Scan (DynamoDB's JSON) as rows of delimited text.
 *
 * Written is what has its usual form. A page with anything else, an attribute of another type above all, is left to the
 * Python code whole, which is the rule (`exports/encoder.py`). */
#include "native.h"

static const uint8_t *past_space(const uint8_t *at, const uint8_t *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

/* Moves past a byte of JSON's grammar, and the space around it, if it is there. */
static int passed_mark(const uint8_t **at, const uint8_t *end, uint8_t mark) {
    const uint8_t *here = past_space(*at, end);
    if (here == end || *here != mark) return 0;
    *at = past_space(here + 1, end);
    return 1;
}

/* Whether none of eight bytes is a quote, a backslash or a control character; sometimes 0 though none is. */
static int are_plain(uint64_t bytes) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quotes = bytes ^ ones * '"', backslashes = bytes ^ ones * '\\';
    uint64_t found = ((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) | ((bytes - ones * 32) & ~bytes);
    return !(found & tops);
}

/* Moves past a string. `text` gets what is between its quotes, and `has_escapes` whether that has a backslash. */
static int passed_string(const uint8_t **at, const uint8_t *end, struct span *text, int *has_escapes) {
    const uint8_t *here = *at;
    *has_escapes = 0;
    if (here == end || *here++ != '"') return 0;
    text->at = here;
    while (here < end && *here != '"') {
        if (end - here >= 8 && are_plain(read_64(here))) {
            here += 8;
            continue;
        }
        if (*here < 32) return 0;
        if (*here == '\\') {
            *has_escapes = 1;
            if (++here == end) return 0;
        }
        here++;
    }
    if (here == end) return 0;
    text->size = (size_t)(here - text->at);
    *at = past_space(here + 1, end);
    return 1;
}

/* Moves past any value. */
static int passed_value(const uint8_t **at, const uint8_t *end, struct span *value) {
    const uint8_t *here = *at;
    size_t depth = 0;
    struct span text;
    int has_escapes;
    do {
        if (here == end) return 0;
        if (*here == '"') {
            if (!passed_string(&here, end, &text, &has_escapes)) return 0;
            continue;
        }
        if (depth == 0 && (*here == ',' || *here == '}' || *here == ']')) break;
        if (*here == '{' || *here == '[') depth++;
        if (*here == '}' || *here == ']') depth--;
        here++;
    } while (depth > 0 || (here < end && *here != ',' && *here != '}' && *here != ']'));
    *value = (struct span){*at, (size_t)(here - *at)};
    *at = here;
    while (value->size > 0 && value->at[value->size - 1] <= ' ') value->size--;
    return value->size > 0;
}

static int hex_digits(const uint8_t *at, const uint8_t *end, uint32_t *code) {
    if (end - at < 4) return 0;
    *code = 0;
    for (int digit = 0; digit < 4; digit++) {
        uint8_t it = at[digit], low = it | 32;
        if (!is_digit(it) && !(low >= 'a' && low <= 'f')) return 0;
        *code = *code * 16 + (uint32_t)(is_digit(it) ? it - '0' : low - 'a' + 10);
    }
    return 1;
}

/* The inside of a string as what it stands for, which is never longer. NULL where it stands for no text. */
static uint8_t *unescaped(uint8_t *out, struct span text) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const uint8_t *at = text.at, *end = at + text.size;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
        if (letter != NULL) {
            *out++ = (uint8_t)meant[letter - letters];
            at += 2;
            continue;
        }
        uint32_t code, second;
        if (at[1] != 'u' || !hex_digits(at + 2, end, &code)) return NULL;
        at += 6;
        if (code >= 0xD800 && code <= 0xDFFF) {
            if (code > 0xDBFF || end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex_digits(at + 2, end, &second)) return NULL;
            if (second < 0xDC00 || second > 0xDFFF) return NULL;
            code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
            at += 6;
        }
        if (code < 0x80) {
            *out++ = (uint8_t)code;
            continue;
        }
        if (code < 0x800) *out++ = (uint8_t)(0xC0 | code >> 6);
        else {
            if (code < 0x10000) *out++ = (uint8_t)(0xE0 | code >> 12);
            else {
                *out++ = (uint8_t)(0xF0 | code >> 18);
                *out++ = (uint8_t)(0x80 | (code >> 12 & 63));
            }
            *out++ = (uint8_t)(0x80 | (code >> 6 & 63));
        }
        *out++ = (uint8_t)(0x80 | (code & 63));
    }
    return out;
}

/* Whether a number is in its one spelling: no exponent, no zeros around it, no zero with a sign. */
static int is_canonical(struct span number) {
    const uint8_t *at = number.at, *end = at + number.size;
    if (at < end && *at == '-') at++;
    const uint8_t *whole = at;
    while (at < end && is_digit(*at)) at++;
    if (at == whole || (*whole == '0' && at - whole > 1)) return 0;
    if (at == end) return *number.at != '-' || *whole != '0';
    const uint8_t *fraction = ++at;
    if (at[-1] != '.') return 0;
    while (at < end && is_digit(*at)) at++;
    return at == end && at > fraction && at[-1] != '0';
}

/* Whether a spreadsheet would read a formula (`tabular/formulas.py`). */
static int is_formula(struct span text) {
    size_t first = 0;
    while (first < text.size && text.at[first] == '\'') first++;
    return first < text.size && memchr("=+@\t\r-", text.at[first], 6) != NULL;
}

static int is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

/* Writes a cell with the formula guard and the quotes that it needs: up to twice its size and three bytes more. */
static uint8_t *written_cell(uint8_t *out, const struct export_table *table, struct span text, int is_guarded) {
    int guard = is_guarded && is_formula(text), quoted = text.size == 0 ? table->quotes_empty : is_blank(text.at[text.size - 1]);
    if (guard) quoted |= table->is_special['\''];
    else if (text.size > 0) quoted |= is_blank(*text.at) || (text.size >= 3 && memcmp(text.at, "\xEF\xBB\xBF", 3) == 0);
    for (size_t byte = 0; !quoted && byte < text.size; byte++) quoted = table->is_special[text.at[byte]];
    if (!quoted) {
        if (guard) *out++ = '\'';
        return copied(out, text);
    }
    *out++ = table->quote;
    if (guard) {
        if (table->quote == '\'') *out++ = '\'';
        *out++ = '\'';
    }
    for (size_t byte = 0; byte < text.size; byte++) {
        if (text.at[byte] == table->quote) *out++ = table->quote;
        *out++ = text.at[byte];
    }
    *out++ = table->quote;
    return out;
}

/* Reads the value of an attribute into its column. 0 where it has another type than the column's. */
static int passed_attribute(const uint8_t **at, const uint8_t *end, const struct export_column *column, struct found_value *found) {
    struct span type, literal;
    int has_escapes;
    if (!passed_mark(at, end, '{') || !passed_string(at, end, &type, &has_escapes) || !passed_mark(at, end, ':')) return 0;
    if (type.size == 1 && *type.at == column->letter) {
        if (!passed_string(at, end, &found->text, &has_escapes)) return 0;
        found->kind = has_escapes ? ESCAPED_VALUE : PLAIN_VALUE;
    } else {
        if (!passed_value(at, end, &literal)) return 0;
        int is_true = literal.size == 4 && memcmp(literal.at, "true", 4) == 0;
        int is_false = literal.size == 5 && memcmp(literal.at, "false", 5) == 0;
        if (type.size == 4 && memcmp(type.at, "NULL", 4) == 0 && is_true) found->kind = NO_VALUE;
        else if (type.size == 4 && memcmp(type.at, "BOOL", 4) == 0 && column->letter == 'B' && (is_true || is_false))
            found->kind = is_true ? TRUE_VALUE : FALSE_VALUE;
        else return 0;
    }
    return passed_mark(at, end, '}');
}

/* Reads an item, the columns of which have no values yet. `next` has the column that came behind each the last time. */
static int passed_item(const uint8_t **at, const uint8_t *end, const struct export_table *table, struct found_value *found, int *is_gone) {
    size_t before = table->width;
    if (!passed_mark(at, end, '{')) return 0;
    if (passed_mark(at, end, '}')) return 1;
    do {
        struct span name, value;
        int has_escapes;
        if (!passed_string(at, end, &name, &has_escapes) || has_escapes || !passed_mark(at, end, ':')) return 0;
        size_t column = found[before].next;
        if (column >= table->width || !equal(name, table->columns[column].name))
            for (column = 0; column < table->width && !equal(name, table->columns[column].name); column++) continue;
        if (column == table->width) {
            if (equal(name, table->gone)) *is_gone = 1;
            if (!passed_value(at, end, &value)) return 0;
            continue;
        }
        if (found[column].kind != NO_VALUE || !passed_attribute(at, end, &table->columns[column], &found[column])) return 0;
        found[before].next = (uint32_t)column;
        before = column;
    } while (passed_mark(at, end, ','));
    return passed_mark(at, end, '}');
}

/* Writes a number with the decimal character of its column; NULL where it is not in its one spelling. */
static uint8_t *written_number(uint8_t *out, const struct export_table *table, struct span number, uint8_t point, uint8_t *scratch) {
    if (!is_canonical(number)) return NULL;
    if (point != '.')
        for (size_t byte = 0; byte < number.size; byte++) scratch[byte] = number.at[byte] == '.' ? point : number.at[byte];
    return written_cell(out, table, point == '.' ? number : (struct span){scratch, number.size}, 0);
}

/* Writes the row of an item; NULL where it has a cell that the rule must write. */
static uint8_t *written_row(uint8_t *out, const struct export_table *table, const struct found_value *found, uint8_t *scratch) {
    for (size_t index = 0; index < table->width && out != NULL; index++) {
        const struct export_column *column = &table->columns[index];
        struct span text = found[index].text;
        if (index > 0) *out++ = table->delimiter;
        if (found[index].kind == ESCAPED_VALUE) {
            const uint8_t *end = unescaped(scratch, text);
            if (end == NULL) return NULL;
            text = (struct span){scratch, (size_t)(end - scratch)};
        }
        switch (found[index].kind) {
        case NO_VALUE: out = copied(out, column->absent); break;
        case TRUE_VALUE: out = copied(out, column->yes); break;
        case FALSE_VALUE: out = copied(out, column->no); break;
        default:
            if (column->letter == 'N') out = written_number(out, table, text, column->point, scratch);
            else out = written_cell(out, table, text, column->is_guarded);
        }
    }
    return out == NULL ? NULL : copied(out, table->line_end);
}

/* Writes the rows of an array of items; `stays` has a byte for each of `count`, 0 where it is no row; NULL: all are. */
static int passed_items(const uint8_t **at, const uint8_t *end, const struct export_table *table, const uint8_t *stays, size_t count,
                        struct page_rows *rows) {
    if (!passed_mark(at, end, '[')) return 0;
    if (passed_mark(at, end, ']')) return 1;
    do {
        const uint8_t *item = *at;
        int is_gone = 0;
        for (size_t column = 0; column < table->width; column++) rows->found[column].kind = NO_VALUE;
        if (!passed_item(at, end, table, rows->found, &is_gone)) return 0;
        if (stays != NULL && rows->items == count) return 0;
        int stay = stays == NULL || stays[rows->items];
        rows->items++;
        if (!stay) continue;
        if (is_gone || rows->room - rows->size < 2 * (size_t)(*at - item) + table->constant_bytes) return 0;
        const uint8_t *row = written_row(rows->text + rows->size, table, rows->found, rows->scratch);
        if (row == NULL) return 0;
        rows->size = (size_t)(row - rows->text);
        rows->count++;
    } while (passed_mark(at, end, ','));
    return passed_mark(at, end, ']');
}

/* Writes the rows of a page: 1, or 0 where the rule must write them. */
int waybill_page_rows(const uint8_t *data, size_t size, const struct export_table *table, const uint8_t *stays, size_t count,
                      struct page_rows *rows) {
    const uint8_t *at = data, *end = data + size;
    int has_items = 0, has_key = 0;
    rows->size = rows->count = rows->items = rows->key_start = rows->key_end = 0;
    for (size_t column = 0; column <= table->width; column++) rows->found[column].next = 0;
    if (!waybill_is_utf8(data, size) || !passed_mark(&at, end, '{')) return 0;
    if (passed_mark(&at, end, '}')) return at == end;
    do {
        struct span name, value;
        int has_escapes;
        if (!passed_string(&at, end, &name, &has_escapes) || has_escapes || !passed_mark(&at, end, ':')) return 0;
        if (equal(name, (struct span){(const uint8_t *)"Items", 5})) {
            if (has_items++ || !passed_items(&at, end, table, stays, count, rows)) return 0;
        } else {
            int is_key = equal(name, (struct span){(const uint8_t *)"LastEvaluatedKey", 16});
            if (!passed_value(&at, end, &value) || (is_key && has_key++)) return 0;
            if (is_key) rows->key_start = (size_t)(value.at - data), rows->key_end = rows->key_start + value.size;
        }
    } while (passed_mark(&at, end, ','));
    return passed_mark(&at, end, '}') && at == end;
}
