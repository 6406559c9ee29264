/*
 * Carries packets between two network namespaces, and mistreats them as networks do: the kernels of
 * many machines have no netem. In each namespace it makes a TUN device, net0.
 *
 * Usage: carrier PID ADDRESS PID ADDRESS MTU
 * The namespaces are those of the processes; the first is the client's. Each address comes with the
 * length of its prefix, and the other's packets are routed by that prefix. It prints "ready" and
 * obeys the lines of its input:
 *
 *   loss N       N of 1000 packets are lost, from now on
 *   corrupt N    N of 1000 have a bit flipped
 *   reorder N    N of 1000 wait until three more have passed, or 20 ms
 *   hole N       1: nothing passes any more; 0: all does
 *   forget 0     forgets the connections that stand, as a NAT does that was started anew: of TCP
 *                passes from now on what belongs to a connection that begins with a SYN
 *   end          the same as the end of the input
 *
 * At its end it prints what it has done: packets, lost, corrupted, reordered, swallowed, unknown.
 */

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PACKET_MAX = 65536, LATE_MS = 20, LATE_AFTER = 3 };

/* A packet that others overtake. */
struct late {
  int to;      /* descriptor; -1: there is none */
  int passing; /* how many more may pass before it */
  size_t length;
  unsigned char bytes[PACKET_MAX];
};

static struct {
  int loss, corrupt, reorder, hole; /* the first three of 1000 */
  bool remembers;                   /* whether TCP has to be known */
  struct late late;
  unsigned long packets, lost, corrupted, reordered, swallowed, unknown;
} net = {.late.to = -1};

/* By the client's port: a connection from it has begun since the last "forget". */
static bool known[65536];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* xorshift64 with a fixed seed: a run can be had again. */
static uint64_t chance(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static bool one_of_1000(int share) {
  return (int)(chance() % 1000) < share;
}

static void run(const char *format, const char *argument) {
  char command[256];
  snprintf(command, sizeof command, format, argument);
  if (system(command) != 0) {
    fprintf(stderr, "failed: %s\n", command);
    exit(1);
  }
}

/* Makes a TUN device in the namespace of a process. */
static int open_tun(const char *pid, const char *address, const char *mtu) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
  int space = open(path, O_RDONLY);
  if (space < 0 || setns(space, CLONE_NEWNET) != 0)
    fail(path);
  close(space);
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_name = "net0"};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0)
    fail("/dev/net/tun");
  run("ip address add %s dev net0", address);
  run("ip link set net0 mtu %s up", mtu);
  return tun;
}

static unsigned port_at(const unsigned char *bytes) {
  return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Whether a packet belongs to a connection that a NAT would know. Learns from a SYN. */
static bool is_known(const unsigned char *packet, size_t length, bool from_client) {
  size_t header = (size_t)(packet[0] & 15) * 4;
  if (length < 20 || packet[0] >> 4 != 4 || packet[9] != 6 || length < header + 20)
    return true; /* not TCP */
  const unsigned char *tcp = packet + header;
  unsigned port = port_at(from_client ? tcp : tcp + 2);
  bool begins = (tcp[13] & 0x12) == 0x02; /* SYN without ACK */
  if (from_client && begins)
    known[port] = true;
  return known[port];
}

static void deliver(int to, const unsigned char *packet, size_t length) {
  if (write(to, packet, length) < 0)
    net.lost++; /* its queue is full: as elsewhere */
}

static void deliver_late(void) {
  if (net.late.to >= 0)
    deliver(net.late.to, net.late.bytes, net.late.length);
  net.late.to = -1;
}

static void carry(unsigned char *packet, size_t length, int to, bool from_client) {
  net.packets++;
  if (net.hole) {
    net.swallowed++;
    return;
  }
  if (!is_known(packet, length, from_client) && net.remembers) {
    net.unknown++;
    return;
  }
  if (one_of_1000(net.loss)) {
    net.lost++;
    return;
  }
  if (length > 20 && one_of_1000(net.corrupt)) { /* behind the header of IP */
    net.corrupted++;
    packet[20 + chance() % (length - 20)] ^= 4;
  }
  if (net.late.to < 0 && one_of_1000(net.reorder)) {
    net.reordered++;
    net.late.to = to;
    net.late.passing = LATE_AFTER;
    net.late.length = length;
    memcpy(net.late.bytes, packet, length);
    return;
  }
  deliver(to, packet, length);
  if (net.late.to >= 0 && --net.late.passing == 0)
    deliver_late();
}

static void drain(int from, int to, bool from_client) {
  static unsigned char packet[PACKET_MAX];
  ssize_t length;
  while ((length = read(from, packet, sizeof packet)) > 0)
    carry(packet, (size_t)length, to, from_client);
}

static void obey(const char *line) {
  char name[16];
  int value;
  if (sscanf(line, "%15s %d", name, &value) != 2)
    return;
  if (strcmp(name, "loss") == 0)
    net.loss = value;
  if (strcmp(name, "corrupt") == 0)
    net.corrupt = value;
  if (strcmp(name, "reorder") == 0)
    net.reorder = value;
  if (strcmp(name, "hole") == 0)
    net.hole = value;
  if (strcmp(name, "forget") == 0) {
    memset(known, 0, sizeof known);
    net.remembers = true;
  }
}

/* Reads on in the input and obeys a line that is whole. Returns false at the end. */
static bool read_orders(void) {
  static char line[64];
  static size_t length;
  if (read(STDIN_FILENO, &line[length], 1) != 1)
    return false;
  if (line[length] != '\n') {
    length = (length + 1) % (sizeof line - 1);
    return true;
  }
  line[length] = '\0';
  length = 0;
  obey(line);
  return strcmp(line, "end") != 0;
}

int main(int argc, char **argv) {
  if (argc != 6)
    return 2;
  int client = open_tun(argv[1], argv[2], argv[5]);
  int server = open_tun(argv[3], argv[4], argv[5]);
  puts("ready");
  fflush(stdout);
  struct pollfd fds[] = {
      {.fd = STDIN_FILENO, .events = POLLIN},
      {.fd = client, .events = POLLIN},
      {.fd = server, .events = POLLIN},
  };
  for (;;) {
    int count = poll(fds, 3, net.late.to >= 0 ? LATE_MS : -1);
    if (count == 0)
      deliver_late();
    if (fds[0].revents && !read_orders())
      break;
    drain(client, server, true);
    drain(server, client, false);
  }
  printf("packets %lu lost %lu corrupted %lu reordered %lu swallowed %lu unknown %lu\n",
         net.packets, net.lost, net.corrupted, net.reordered, net.swallowed, net.unknown);
  return 0;
}
