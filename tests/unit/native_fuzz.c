/* Feeds the C library with rubbish under the address and undefined-behaviour sanitizers: `fuzz SEED ROUNDS`. Buffers are as
 * large as the library may ask for, and not a byte larger. Prints how many records were good, how many were unverified,
 * how many pages were written, and a sum of all that came out. */
#include "../../shared/waybill/native/native.c"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state;

static uint64_t next(uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static uint64_t sum;
static unsigned long long pages; /* with rows that the library has written */

static void add(const void *bytes, size_t size) {
    for (size_t byte = 0; byte < size; byte++) sum = (sum ^ ((const uint8_t *)bytes)[byte]) * 1099511628211u;
}

static void *exactly(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (memory == NULL) abort();
    return memory;
}

static struct span text(const char *of) { return (struct span){(const uint8_t *)of, strlen(of)}; }

/* Rows and shared texts of workbooks, of pieces of XML. */
static void read_sheets(void) {
    static const char *pieces[] = {"<row", "</row>", "<row r=\"2\">", "<row r=\"3\" spans=\"1:2\">", "<c", "<c r=\"A1\"", "<c r=\"C2\"",
                                   "<c r=\"XFD9\"", " s=\"1\"", " t=\"s\"", " t=\"n\"", " t=\"str\"", " t=\"b\"", "/>", ">", "<f>", "<f a=\"1\">1+1</f>",
                                   "<v>0</v>", "<v>1</v>", "<v>123456789</v>", "<v>1.5e3</v>", "<v>", "</v>", "<is><t>", "</t></is>", "</c>", "_x", "&", "<",
                                   "\"", " ", "<si><t>", "</t></si>", "text", "\xc3\xa9", "<si><t>text</t></si>", "<row><c><v>7</v></c></row>",
                                   "<c t=\"s\"><v>1</v></c>", "<row r=\"9\"><c r=\"B9\" t=\"s\"><v>1</v></c><c/></row>"};
    enum { COUNT = sizeof pieces / sizeof *pieces, FIRST_WHOLE = COUNT - 4 };
    char draft[4096];
    size_t size = 0;
    for (uint64_t piece = next(40); piece > 0; piece--) {
        const char *it = pieces[next(2) ? FIRST_WHOLE + next(COUNT - FIRST_WHOLE) : next(COUNT)];
        memcpy(draft + size, it, strlen(it));
        size += strlen(it);
    }
    uint8_t *data = exactly(size), *texts = exactly(size);
    memcpy(data, draft, size);
    static const uint64_t text_ends[3] = {0, 1, 3};
    struct sheet sheet = {.texts = text("abc"), .text_ends = text_ends, .text_count = 2, .gaps_left = next(300)};
    sheet.cells_room = next(2) ? next(40) : 2 * size + 300, sheet.others_room = next(300), sheet.rows_room = next(12);
    sheet.cells = exactly(sheet.cells_room), sheet.others = exactly(sheet.others_room * sizeof *sheet.others);
    sheet.rows = exactly(sheet.rows_room * sizeof *sheet.rows);
    size_t start = next(size + 1), found[2];
    sum += (uint64_t)waybill_is_plain_xml(data, size);
    if (waybill_sheet_rows(data, start, size, &sheet) > size) abort();
    add(sheet.cells, sheet.cells_size), add(sheet.others, sheet.other_count * sizeof *sheet.others);
    add(sheet.rows, sheet.row_count * sizeof *sheet.rows);
    uint64_t *ends = exactly(size / 16 * sizeof *ends);
    if (waybill_shared_texts(data, start, size, 7, texts, ends, found) > size) abort();
    add(texts, found[0]), add(ends, found[1] * sizeof *ends);
    free(data), free(texts), free(ends), free(sheet.cells), free(sheet.others), free(sheet.rows);
}

/* Pages of DynamoDB's, of pieces of JSON. */
static void read_pages(void) {
    static const char *pieces[] = {"{", "}", "[", "]", ",", ":", " ", "\n", "\"", "\\", "\\\"", "\\u00e9", "\\ud83d", "\\ude00", "\\u12", "\\n", "\xc3\xa9",
                                   "\xff", "\x01", "true", "null", "\"S\"", "\"N\"", "\"id\"", "\"gone\"", "\"Items\":[", "\"LastEvaluatedKey\":{\"id\":{\"S\":\"x\"}}",
                                   "{\"NULL\":true}", "\"a\":{\"S\":\"", "\"b\":{\"N\":\"", "plain text", "=1+1", "1.5", "-0", "\"}",
                                   "{\"a\":{\"S\":\"=text, \\\"more\\u0041\"},\"b\":{\"N\":\"-7.25\"},\"c\":{\"BOOL\":true}},", "{\"b\":{\"N\":\"1\"},\"z\":{\"L\":[]},\"a\":{\"S\":\" '\"}},",
                                   "{\"c\":{\"BOOL\":false},\"a\":{\"NULL\":true}},"};
    enum { COUNT = sizeof pieces / sizeof *pieces, FIRST_WHOLE = COUNT - 3 };
    char draft[8192] = "{\"Items\":[";
    size_t size = next(8) ? strlen(draft) : 0;
    for (uint64_t piece = next(30), rubbish = next(2) ? 1000 : 5; piece > 0; piece--) {
        const char *it = pieces[next(rubbish) ? FIRST_WHOLE + next(COUNT - FIRST_WHOLE) : next(COUNT)];
        memcpy(draft + size, it, strlen(it));
        size += strlen(it);
    }
    if (size > 0 && draft[size - 1] == ',') size--;
    memcpy(draft + size, "]}", 2);
    size += next(8) ? 2 : 0;
    uint8_t *data = exactly(size), special[256] = {[','] = 1, ['"'] = 1, ['\r'] = 1, ['\n'] = 1};
    memcpy(data, draft, size);
    struct export_column columns[3] = {
        {.name = text("a"), .letter = 'S', .is_guarded = next(2) != 0, .absent = text("NA")},
        {.name = text("b"), .letter = 'N', .point = next(2) ? ',' : '.', .absent = text("")},
        {.name = text("c"), .letter = 'B', .absent = text(""), .yes = text("yes"), .no = text("no")}};
    struct export_table table = {.columns = columns, .width = 1 + next(3), .gone = text(next(2) ? "gone" : ""), .line_end = text("\r\n"),
        .delimiter = ',', .quote = next(4) ? '"' : '\'', .quotes_empty = next(2) != 0, .is_special = special};
    table.constant_bytes = table.width * 11 + 2;
    size_t count = next(4) ? 30 : next(20);
    uint8_t *stays = next(2) ? exactly(count) : NULL;
    for (size_t item = 0; stays && item < count; item++) stays[item] = next(3) != 0;
    struct page_rows rows = {.room = next(3) ? 3 * size + 4096 : next(200), .scratch = exactly(size)};
    rows.text = exactly(rows.room), rows.found = exactly((table.width + 1) * sizeof *rows.found);
    if (waybill_page_rows(data, size, &table, stays, count, &rows)) {
        pages += rows.count > 0;
        if (rows.key_end > size || rows.size > rows.room) abort();
        add(rows.text, rows.size), add(data + rows.key_start, rows.key_end - rows.key_start);
    }
    free(data), free(stays), free(rows.text), free(rows.scratch), free(rows.found);
}

int main(int count, char **arguments) {
    static const char *pieces[] = {"\"", "\r", "\n", ",", "\xff", "\xed\xa0\x80", "\x01", "", "\"\"", "\\", "|", "@", "\xc3\xa9",
                                   "\xf0\x9f\x98\x80", "1", "-0", "12.50", "0.", "a@b.cc", "true", "2024-02-29", "2023-02-29",
                                   "2024-02-29T12:00:00Z", "NA", "\t", " ", "x", "X",
                                   "29/02/2024", "1/2/24", "12:30", "1.234,5", "\xe2\x82\xac", "P1DT2H", "a;b;;", ";"};
    enum { COUNT = sizeof pieces / sizeof *pieces, FIRST_TAME = 8 };
    if (count < 3) return 2;
    state = strtoull(arguments[1], NULL, 10);
    struct span missing[2] = {text(""), text("NA")};
    struct word values[2] = {{text(""), text("2024-02-29")}, {text("x"), text("d\xc3\xa9" "faut x\xc3\xa9")}};
    struct word words[2] = {{text("true"), text("true")}, {text("x"), text("\\u0078")}};
    uint8_t steps[3 * 128] = {0}, accepting[3] = {0, 0, 1};
    for (int digit = '0'; digit <= '9'; digit++) steps[128 + digit] = steps[256 + digit] = 2;
    static const uint8_t day[] = {'d' | 128, '/', 'm' | 128, '/', 'Y' | 128}, moment[] = {'Y' | 128, 'm' | 128, 'd' | 128, ' ', 'H' | 128, ':', 'M' | 128};
    static const uint8_t short_day[] = {'d' | 128, '/', 'm' | 128, '/', 'y' | 128}, time_of_day[] = {'H' | 128, ':', 'M' | 128};
    const struct span patterns[4] = {{day, sizeof day}, {moment, sizeof moment}, {short_day, sizeof short_day}, {time_of_day, sizeof time_of_day}};
    const struct column items[3] = {
        {.kind = TEXT, .opening = text("{\"S\":\""), .closing = text("\"}"), .most = 1000},
        {.kind = NUMBER, .opening = text("{\"N\":\""), .closing = text("\"}"), .most = 1000},
        {.kind = WORDS, .opening = text("{\"BOOL\":"), .closing = text("}"), .words = words, .word_count = 2, .most = 1000}};
    unsigned long long good = 0, unverified = 0;
    for (long round = strtol(arguments[2], NULL, 10); round > 0; round--) {
        read_sheets();
        read_pages();
        size_t width = 1 + next(9), size = 0;
        uint8_t *draft = exactly(4096);
        uint64_t rubbish = next(3) ? 40 : 4; /* one cell in so many is torn */
        uint64_t rows = next(12);
        for (uint64_t cell = 0; cell < width * rows && size < 3900; cell++) {
            int is_quoted = next(4) == 0;
            if (is_quoted) draft[size++] = '"';
            for (uint64_t piece = next(3); piece > 0; piece--) {
                const char *it = pieces[next(rubbish) == 0 ? next(COUNT) : FIRST_TAME + next(COUNT - FIRST_TAME)];
                memcpy(draft + size, it, strlen(it));
                size += strlen(it);
            }
            if (is_quoted && next(rubbish)) draft[size++] = '"';
            if (next(rubbish)) draft[size++] = (cell + 1) % width ? ',' : '\n';
        }
        uint8_t *data = exactly(size);
        memcpy(data, draft, size);
        free(draft);
        struct column *columns = exactly(width * sizeof *columns);
        for (size_t index = 0; index < width; index++) {
            columns[index] = (struct column){.kind = (int32_t)(next(2) ? next(KINDS) : TEXT), .flags = next(2) ? 0 : (uint32_t)next(1 << FLAGS) & ~(uint32_t)KEY,
                .opening = text("\"f\":{\"S\":\""), .closing = text("\"}"), .missing = missing, .missing_count = next(2) ? 0 : next(3),
                .values = values, .value_count = next(2) ? 0 : 2, .fallback = next(3) ? (struct span){NULL, 0} : text("12.50"), .longest_value = 11,
                .words = words, .word_count = 2, .automaton = steps, .accepting = accepting, .fewest = next(2),
                .most = 2 + next(30), .least = -5, .greatest = 12, .greatest_scale = 1, .least_text = text("2000-01-01T00:00:00"),
                .greatest_text = text("2024-12-31T00:00:00"), .pattern = patterns[next(4)], .group = text(next(2) ? "." : ""), .point = next(2) ? ',' : '.',
                .item = &items[next(3)], .separator = text(next(3) ? ";" : "\xc3\xa9")};
        }
        uint32_t keys[2] = {(uint32_t)next(width), (uint32_t)next(width)};
        struct table table = {.columns = columns, .width = width, .delimiter = ',', .quote = '"', .has_quote = next(4) != 0,
            .is_own = next(2) != 0, .names_uneven = next(2) != 0, .keys = keys, .key_count = next(3), .key_prefix = text("job-"), .head = text("{\"_pk\":{\"S\":\"u#"),
            .middle = text("\"},\"_sk\":{\"S\":\""), .tail = text("\"},\"_by\":{\"S\":\"j\"}"), .end = text("}")};
        for (size_t key = 0; key < table.key_count; key++) columns[keys[key]].flags |= KEY | COMPARED;
        uint32_t uniques[3] = {(uint32_t)next(width), (uint32_t)next(width), (uint32_t)next(width)};
        static const size_t unique_ends[2] = {1, 3};
        table.uniques = uniques, table.unique_ends = unique_ends, table.unique_count = next(3);
        for (size_t unique = 0; unique < 3; unique++) columns[uniques[unique]].flags |= COMPARED;
        size_t found[3] = {0, 0, 0};
        int final = next(2) != 0;
        sum += (uint64_t)waybill_is_utf8(data, size);
        if (waybill_cut_lines(data, size, '"', found) == 0) add(found, sizeof *found * 2);
        if (waybill_cut(data, size, ',', '"', final, found) == 0 && found[0] > size) abort();
        size_t records = next(3) ? rows : next(rows + 2);
        uint64_t *numbers = next(2) ? exactly(8 * records) : NULL;
        for (size_t record = 0; numbers && record < records; record++) numbers[record] = next(1u << 20);
        struct output output = {.unverified_room = 2 * records + width, .numbers = numbers};
        output.cells = exactly(width * sizeof *output.cells), output.scratch = exactly(waybill_scratch_bytes(&table, size));
        size_t foreign = 0, collected[2] = {0, 0}, foreign_bytes = 0;
        for (size_t index = 0; index < width; index++) foreign += columns[index].kind == FOREIGN;
        uint8_t *cells = exactly(size + records * foreign);
        if (waybill_collect(&table, data, size, records, &output, cells, collected) == 0) add(cells, collected[0]);
        output.answers = exactly(width * sizeof *output.answers);
        void *kept[3 * 9] = {NULL};
        for (size_t index = 0; index < width; index++) {
            struct answers *answers = &output.answers[index];
            *answers = (struct answers){NULL, {NULL, 0}, {NULL, 0}};
            if (columns[index].kind != FOREIGN) continue;
            uint8_t *statuses = exactly(collected[1]);
            for (size_t record = 0; record < collected[1]; record++) statuses[record] = next(3) ? 0 : (uint8_t)next(8);
            answers->statuses = kept[3 * index] = statuses;
            for (int part = 0; part < 2; part++) {
                /* Now and then fewer texts than cells: the last is taken again and again. */
                uint8_t *texts = exactly(collected[1] * 300);
                size_t length = 0;
                for (size_t record = next(20) ? 0 : collected[1] / 2; record < collected[1]; record++) {
                    for (uint64_t byte = next(next(30) ? 9 : 290); byte > 0; byte--) texts[length++] = (uint8_t)("ab\"\\|\x01"[next(6)]);
                    texts[length++] = 0;
                }
                *(part ? &answers->identities : &answers->texts) = (struct span){texts, length};
                kept[3 * index + 1 + (size_t)part] = texts;
                foreign_bytes += length;
            }
        }
        output.texts_room = records * waybill_constant_bytes(&table) + next(13) * size + foreign_bytes;
        output.keys_room = size + foreign_bytes + records * (17 + 2 * MOMENT_BYTES) + MAX_KEY_BYTES;
        output.unique_digests = exactly(8 * records * table.unique_count), output.unique_nulls = exactly(records * table.unique_count);
        output.texts = next(4) ? exactly(output.texts_room) : NULL;
        output.absent = next(3) ? NULL : exactly(records * width);
        output.keys = exactly(output.keys_room);
        output.rows = exactly(8 * records), output.key_ends = exactly(4 * records), output.text_ends = exactly(4 * records);
        output.digests = exactly(8 * records), output.unverified = exactly(output.unverified_room * sizeof *output.unverified);
        if (waybill_load_rows(&table, data, size, records, 2, &output) == 0) {
            good += output.good, unverified += output.unverified_count;
            if (output.texts != NULL) add(output.texts, output.texts_size);
            add(output.digests, 8 * output.good);
            if (output.absent != NULL) add(output.absent, output.good * width);
            add(output.unique_digests, 8 * output.good * table.unique_count);
            add(output.unverified, output.unverified_count * sizeof *output.unverified);
        }
        free(output.texts), free(output.keys), free(output.rows), free(output.key_ends), free(output.text_ends);
        free(output.digests), free(output.unverified), free(output.cells), free(output.scratch), free(numbers), free(columns), free(data);
        free(output.unique_digests), free(output.unique_nulls), free(output.absent), free(output.answers), free(cells);
        for (size_t index = 0; index < 3 * 9; index++) free(kept[index]);
    }
    printf("%llu %llu %llu %llu\n", good, unverified, pages, (unsigned long long)sum);
    return 0;
}
