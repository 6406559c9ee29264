/*
 * The blocks of scan.c without SIMD: eight bytes at a time, in a machine word. A part of scan.c,
 * which includes it; its counterpart is scan_sse2.h.
 */
#ifndef SORA_JSON_SCAN_WORDS_H
#define SORA_JSON_SCAN_WORDS_H

#define EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t load(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

/* The high bit of each zero byte; wrong only in bytes more significant than such a one. */
static uint64_t zeros(uint64_t word) {
  return (word - EVERY_BYTE(1)) & ~word & EVERY_BYTE(0x80);
}

/* The high bit of each byte that is not plain ASCII; as wrong as zeros. */
static uint64_t not_ascii(uint64_t word) {
  uint64_t control = word - EVERY_BYTE(0x20);
  return zeros(word ^ EVERY_BYTE('"')) | zeros(word ^ EVERY_BYTE('\\')) |
         ((word | control) & EVERY_BYTE(0x80));
}

/* UTF-8 as a finite automaton whose states are shifts: a byte's row, shifted right by the state,
   has the next state in its lowest six bits. Nothing but a shift lies between one byte and the
   next. */
enum { FAULT = 0, PLAIN = 6, ONE = 12, TWO = 18, THREE = 24, E0 = 30, ED = 36, F0 = 42, F4 = 48 };

#define GO(from, to) ((uint64_t)(to) << (from))
#define CONTINUED (GO(ONE, PLAIN) | GO(TWO, ONE) | GO(THREE, TWO))

static const uint64_t rows[] = {
    0,                                     /* 0: never plain */
    GO(PLAIN, PLAIN),                      /* 1: plain ASCII */
    CONTINUED | GO(ED, ONE) | GO(F4, TWO), /* 2: 80 to 8f */
    CONTINUED | GO(ED, ONE) | GO(F0, TWO), /* 3: 90 to 9f */
    CONTINUED | GO(E0, ONE) | GO(F0, TWO), /* 4: a0 to bf */
    GO(PLAIN, ONE),                        /* 5: c2 to df */
    GO(PLAIN, E0),                         /* 6 */
    GO(PLAIN, TWO),                        /* 7: e1 to ef, but ed */
    GO(PLAIN, ED),                         /* 8 */
    GO(PLAIN, F0),                         /* 9 */
    GO(PLAIN, THREE),                      /* 10: f1 to f3 */
    GO(PLAIN, F4),                         /* 11 */
};

/* clang-format off */
static const unsigned char row_of[256] = {
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* not the quote */
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, /* nor the backslash */
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  0, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
  5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
  6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 7,
  9, 10, 10, 10, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
/* clang-format on */

/* sora_scan_plain where p is at the beginning of a sequence. */
static const char *scan_plain_utf8(const char *p, const char *end) {
  const char *begin = p;
  uint64_t state = PLAIN;
  for (; end - p >= 8; p += 8) {
    for (int i = 0; i < 8; i++)
      state = rows[row_of[(unsigned char)p[i]]] >> (state & 63);
    if ((state & 63) == FAULT)
      break;
  }
  return p == begin ? scan_plain_bytes(p, end) : scan_plain_rest(p, end);
}

const char *sora_scan_plain(const char *p, const char *end) {
  for (; end - p >= 8; p += 8) {
    uint64_t word = load(p);
    if ((word & EVERY_BYTE(0x80)) != 0)
      return scan_plain_utf8(p, end);
    if (not_ascii(word) != 0)
      break;
  }
  return scan_plain_bytes(p, end);
}

/* Copies a block and returns how many bytes at its beginning are plain ASCII. */
static int copy_ascii(char *to, const char *from) {
  uint64_t word = load(from), others = not_ascii(word);
  memcpy(to, &word, 8);
  if (others == 0)
    return 8;
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return __builtin_ctzll(others) / 8;
#else
  int length = 0;
  while (not_ascii((unsigned char)from[length] * EVERY_BYTE(1)) == 0)
    length++;
  return length;
#endif
}

static const char *skip_blanks(const char *p, const char *end) {
  while (end - p >= 8 && load(p) == EVERY_BYTE(' '))
    p += 8;
  return p;
}

#endif
