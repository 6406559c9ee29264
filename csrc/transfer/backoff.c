#include "transfer/backoff.h"

#include <math.h>

#include "transfer/process.h"

static const double FIRST = 0.5, LONGEST = 8;

double sora_backoff(long failures) {
  double pause = FIRST * pow(2, (double)(failures < 16 ? failures : 16));
  return (pause < LONGEST ? pause : LONGEST) * (1 - 0.25 * sora_random());
}
