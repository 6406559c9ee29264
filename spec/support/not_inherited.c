/* Preloaded with a sanitizer: what the interpreter starts runs without it. */
#include <stdlib.h>

__attribute__((constructor)) static void forget(void) {
  unsetenv("LD_PRELOAD");
}
