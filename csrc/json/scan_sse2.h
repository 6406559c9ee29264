/*
 * The blocks of scan.c with SSE2: sixteen bytes at a time. A part of scan.c, which includes it; its
 * counterpart is scan_words.h.
 */
#ifndef SORA_JSON_SCAN_SSE2_H
#define SORA_JSON_SCAN_SSE2_H

#include <emmintrin.h>

static __m128i load(const char *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static __m128i equal(__m128i block, unsigned char c) {
  return _mm_cmpeq_epi8(block, _mm_set1_epi8((char)c));
}

/* Bytes are compared as signed numbers: 0x80 is the least, 0xff is -1, ASCII is above. */
static __m128i less(__m128i block, unsigned char c) {
  return _mm_cmplt_epi8(block, _mm_set1_epi8((char)c));
}

/* Not zero where a byte, unsigned, is greater. */
static __m128i above(__m128i block, unsigned char c) {
  return _mm_subs_epu8(block, _mm_set1_epi8((char)c));
}

static __m128i either(__m128i a, __m128i b) {
  return _mm_or_si128(a, b);
}

static unsigned mask(__m128i block) {
  return (unsigned)_mm_movemask_epi8(block);
}

/* The bytes that end a plain run, one bit each. */
static unsigned not_plain(__m128i block) {
  __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  return mask(either(either(equal(block, '"'), equal(block, '\\')), control));
}

/* The bytes of a block, one bit each, that are wrong in UTF-8 behind those one, two and three
 * before them. */
static unsigned utf8_faults(__m128i block, __m128i before1, __m128i before2, __m128i before3) {
  __m128i due = either(above(before1, 0xbf), either(above(before2, 0xdf), above(before3, 0xef)));
  __m128i not_due = equal(due, 0), continuation = less(block, 0xc0);
  __m128i faults = _mm_cmpeq_epi8(not_due, continuation);
  __m128i overlong2 = equal(_mm_and_si128(block, _mm_set1_epi8((char)0xfe)), 0xc0);
  __m128i beyond = _mm_cmpeq_epi8(_mm_max_epu8(block, _mm_set1_epi8((char)0xf5)), block);
  __m128i below_90 = less(block, 0x90), below_a0 = less(block, 0xa0);
  __m128i overlong3 = _mm_and_si128(below_a0, equal(before1, 0xe0));
  __m128i overlong4 = _mm_and_si128(below_90, equal(before1, 0xf0));
  __m128i surrogate = _mm_andnot_si128(below_a0, equal(before1, 0xed));
  __m128i beyond4 = _mm_andnot_si128(below_90, equal(before1, 0xf4));
  faults = either(faults, either(either(overlong2, beyond), either(surrogate, beyond4)));
  return mask(either(faults, either(overlong3, overlong4)));
}

/* sora_scan_plain where p is at the beginning of a sequence and the next sixteen bytes are not all
 * ASCII. */
static const char *scan_plain_utf8(const char *p, const char *end) {
  const char *begin = p;
  do {
    __m128i block = load(p);
    unsigned stop = not_plain(block), faults;
    if (p == begin)
      faults = utf8_faults(block, _mm_slli_si128(block, 1), _mm_slli_si128(block, 2),
                           _mm_slli_si128(block, 3));
    else
      faults = utf8_faults(block, load(p - 1), load(p - 2), load(p - 3));
    /* Up to and with the first one to stop at; all when there is none. */
    if ((faults & (stop ^ (stop - 1))) != 0)
      break;
    if (stop != 0)
      return p + __builtin_ctz(stop);
    p += 16;
  } while (end - p >= 16);
  return p == begin ? scan_plain_bytes(p, end) : scan_plain_rest(p, end);
}

const char *sora_scan_plain(const char *p, const char *end) {
  for (; end - p >= 16; p += 16) {
    __m128i block = load(p);
    unsigned stop = not_plain(block);
    if ((mask(block) & (stop ^ (stop - 1))) != 0)
      return scan_plain_utf8(p, end);
    if (stop != 0)
      return p + __builtin_ctz(stop);
  }
  return scan_plain_bytes(p, end);
}

/* Copies a block and returns how many bytes at its beginning are plain ASCII. */
static int copy_ascii(char *to, const char *from) {
  __m128i first = load(from), second = load(from + 16);
  _mm_storeu_si128((__m128i *)(void *)to, first);
  _mm_storeu_si128((__m128i *)(void *)(to + 16), second);
  unsigned others = not_plain(first) | mask(first) | (not_plain(second) | mask(second)) << 16;
  return others == 0 ? BLOCK : __builtin_ctz(others);
}

/* Returns the first byte that is no space, of those that are whole blocks away from end. */
static const char *skip_blanks(const char *p, const char *end) {
  for (; end - p >= 16; p += 16) {
    unsigned other = mask(equal(load(p), ' ')) ^ 0xffff;
    if (other != 0)
      return p + __builtin_ctz(other);
  }
  return p;
}

#endif
