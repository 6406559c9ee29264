/*
 * Runs a command and prints what it cost: user and system seconds, wall seconds, peak KiB.
 *
 *   measure COMMAND [ARGUMENT …]
 *
 * The command's standard output is thrown away. Exits with the command's status.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int count, char **arguments) {
  struct rusage usage;
  int status;
  if (count < 2)
    return 2;
  double start = now();
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    execvp(arguments[1], arguments + 1);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) != child)
    return 2;
  printf("%.6f %.6f %.6f %ld\n", seconds(usage.ru_utime), seconds(usage.ru_stime), now() - start,
         usage.ru_maxrss);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
