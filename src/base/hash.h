/* hash.h -- hashes that are not for secrets: a fast 64-bit mix for tables and CRC32C for what lies
 * on disk. SHA-256 lives in codec/digest.h. */
#ifndef CQED_BASE_HASH_H
#define CQED_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Stable across runs and machines (little-endian), good avalanche, about 10 GB/s on long input. */
uint64_t hash64(const void *, size_t size_bytes, uint64_t seed);

/* XXH64 (xxHash's specification, 0.1.1): for what must be as others hash it. */
uint64_t hash_xxh64(const void *, size_t size_bytes, uint64_t seed);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), hardware-assisted where the CPU can. Start with 0;
 * feed the last result to continue. */
uint32_t crc32c(uint32_t crc, const void *, size_t size_bytes);

#endif
