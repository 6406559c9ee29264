/*
 * Preloaded behind the sanitizers of gcc. What the interpreter starts runs without them.
 *
 * UBSan's reports go where ASan's go. UBSan does not get there by itself: the function with which it
 * sets the place has the same name in both libraries, and ASan's comes first.
 */
#include <dlfcn.h>
#include <stdlib.h>

__attribute__((constructor)) static void begin(void) {
  void *ubsan = dlopen("libubsan.so.1", RTLD_LAZY | RTLD_NOLOAD);
  void (*set_report_path)(const char *) = NULL;
  if (ubsan != NULL)
    *(void **)&set_report_path = dlsym(ubsan, "__sanitizer_set_report_path");
  if (set_report_path == NULL)
    abort();
  set_report_path(getenv("UBSAN_REPORTS"));
  unsetenv("LD_PRELOAD");
}
