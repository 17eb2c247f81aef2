/* Digests of keys: XXH3 of https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md, up to 240 bytes. */
#include "native.h"

static const uint8_t SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9,
    0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78,
    0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6,
    0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f,
    0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
    0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff,
    0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};
static const uint64_t PRIME_1 = 0x9E3779B185EBCA87u, PRIME_2 = 0xC2B2AE3D27D4EB4Fu, PRIME_3 = 0x165667B19E3779F9u;
static const uint64_t MIX_1 = 0x165667919E3779F9u, MIX_2 = 0x9FB21C651E98DF25u;

/* Little-endian, as every machine is that loads this (`native/__init__.py`). */
static uint64_t read_64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t read_32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t rotated(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static uint64_t folded_product(uint64_t left, uint64_t right) {
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mixed(const uint8_t *at, size_t secret) {
    return folded_product(read_64(at) ^ read_64(SECRET + secret), read_64(at + 8) ^ read_64(SECRET + secret + 8));
}

static uint64_t avalanche(uint64_t hash) {
    hash = (hash ^ hash >> 37) * MIX_1;
    return hash ^ hash >> 32;
}

static uint64_t avalanche_of_short(uint64_t hash) {
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}

/* XXH3, 64 bits, without a seed, of at most MAX_KEY_BYTES. */
uint64_t waybill_digest(const uint8_t *at, size_t size) {
    if (size == 0) return avalanche_of_short(read_64(SECRET + 56) ^ read_64(SECRET + 64));
    if (size <= 3) {
        uint64_t all = (uint64_t)at[0] << 16 | (uint64_t)at[size >> 1] << 24 | at[size - 1] | (uint64_t)size << 8;
        return avalanche_of_short(all ^ (read_32(SECRET) ^ read_32(SECRET + 4)));
    }
    if (size <= 8) {
        uint64_t hash = read_32(at + size - 4) + (read_32(at) << 32);
        hash ^= read_64(SECRET + 8) ^ read_64(SECRET + 16);
        hash = (hash ^ rotated(hash, 49) ^ rotated(hash, 24)) * MIX_2;
        hash = (hash ^ ((hash >> 35) + size)) * MIX_2;
        return hash ^ hash >> 28;
    }
    if (size <= 16) {
        uint64_t low = read_64(at) ^ (read_64(SECRET + 24) ^ read_64(SECRET + 32));
        uint64_t high = read_64(at + size - 8) ^ (read_64(SECRET + 40) ^ read_64(SECRET + 48));
        return avalanche(size + __builtin_bswap64(low) + high + folded_product(low, high));
    }
    uint64_t hash = size * PRIME_1;
    if (size <= 128) {
        for (size_t pair = (size - 1) / 32 + 1; pair-- > 0;)
            hash += mixed(at + 16 * pair, 32 * pair) + mixed(at + size - 16 * (pair + 1), 32 * pair + 16);
        return avalanche(hash);
    }
    size_t rounds = size / 16;
    for (size_t round = 0; round < 8; round++) hash += mixed(at + 16 * round, 16 * round);
    hash = avalanche(hash);
    for (size_t round = 8; round < rounds; round++) hash += mixed(at + 16 * round, 16 * (round - 8) + 3);
    return avalanche(hash + mixed(at + size - 16, 136 - 17));
}
