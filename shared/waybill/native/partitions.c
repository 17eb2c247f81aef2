/* Digests sorted into partitions, and those that occur twice. */
#include "native.h"

/* Adds to `counts`, of `partitions` elements, a power of two, how many digests belong to each: by their low bits. */
void waybill_partition_sizes(const uint64_t *digests, size_t count, size_t partitions, uint64_t *counts) {
    for (size_t pair = 0; pair < count; pair++) counts[digests[pair] & (partitions - 1)]++;
}

/* Puts (digest, row) pairs by the low bits of the digest, keeping their order: `sorted` gets for each partition its
 * `counts` digests and then as many rows. `places` says where the next digest of each partition goes; it is moved on,
 * so that the pairs may come in several calls. */
void waybill_partition(const uint64_t *digests, const uint64_t *rows, size_t count, size_t partitions,
                       const uint64_t *counts, uint64_t *places, uint64_t *sorted) {
    for (size_t pair = 0; pair < count; pair++) {
        size_t part = digests[pair] & (partitions - 1);
        uint64_t *place = sorted + places[part]++;
        place[0] = digests[pair];
        place[counts[part]] = rows[pair];
    }
}

/* The low bits of digests are those of the partition, all alike. */
static size_t slot_of(uint64_t digest, size_t slots) { return (size_t)(digest * PRIME_1 >> 20) & (slots - 1); }

enum { AHEAD = 8 }; /* digests whose slots are fetched from memory while others are looked up */

/* Whether a digest occurs more than once: 1 or 0. `seen` is scratch of `slots` elements, a power of two of at least twice
 * `count`; zeros at first. */
int waybill_repeats(const uint64_t *digests, size_t count, uint64_t *seen, size_t slots) {
    int has_zero = 0;
    for (size_t index = 0; index < count; index++) {
        uint64_t digest = digests[index];
        if (digest == 0) {
            if (has_zero) return 1;
            has_zero = 1;
            continue;
        }
        if (index + AHEAD < count) __builtin_prefetch(&seen[slot_of(digests[index + AHEAD], slots)]);
        size_t slot = slot_of(digest, slots);
        while (seen[slot] != 0) {
            if (seen[slot] == digest) return 1;
            slot = (slot + 1) & (slots - 1);
        }
        seen[slot] = digest;
    }
    return 0;
}
