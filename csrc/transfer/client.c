#include "transfer/client.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/client_parts.h"
#include "transfer/libcurl.h"
#include "transfer/process.h"

const char sora_client_closed[] = "the client was closed";
static const char FORKED[] = "lost: the process was forked while it was in flight";

/* ---- lists ---- */

void sora_places_append(struct place_list *list, struct place *place) {
  place->list = list;
  place->previous = list->last;
  place->next = NULL;
  if (list->last != NULL)
    list->last->next = place;
  else
    list->first = place;
  list->last = place;
}

void sora_places_remove(struct place *place) {
  struct place_list *list = place->list;
  if (list == NULL)
    return;
  place->list = NULL;
  if (place->previous != NULL)
    place->previous->next = place->next;
  else
    list->first = place->next;
  if (place->next != NULL)
    place->next->previous = place->previous;
  else
    list->last = place->previous;
  place->previous = place->next = NULL;
}

void sora_client_start_over(struct client *client, const char *why) {
  sora_client_cancel(client, why);
  sora_multi_close(client);
  sora_pollset_close(&client->set);
  sora_connections_free(&client->connections);
  sora_multi_forget_hosts(client);
  client->exported = 0;
}

/* In a child of fork: libcurl would say farewell on its parent's connections, and close descriptors
   of its own whose numbers may be other files by now. So what it has is left where it is. */
static void abandon(struct client *client) {
  client->multi = NULL;
  client->share = NULL;
  client->handles = (struct handles){NULL, 0};
  client->curl_due = client->kept_due = 0;
  client->failed = client->short_of_memory = client->exported = 0;
  for (struct place *place = client->live.first; place != NULL; place = place->next)
    sora_request_at(place)->attempt.handle = NULL;
  sora_connections_close(&client->connections);
  sora_pollset_forget(&client->set);
  sora_client_cancel(client, FORKED);
  sora_multi_forget_hosts(client);
}

void sora_client_enter(struct client *client) {
  unsigned process = client->process == 0 ? 0 : sora_process(); /* 0: nothing was ever opened */
  if (client->process == process)
    return;
  client->process = process;
  abandon(client);
}

static struct host *host_of(struct client *client, const struct request *request,
                            const char *origin) {
  for (struct host *host = client->hosts; host != NULL; host = host->next)
    if (strcmp(host->origin, origin) == 0)
      return host;
  struct host *host = sora_host_new(origin, request->plain, (int)client->settings->max_connections,
                                    &client->connections);
  if (host != NULL) {
    host->one_by_one = sora_libcurl_mixes_tunnels() && sora_handle_uses_proxy(client->settings);
    host->site = sora_url_site(origin);
    host->next = client->hosts;
    client->hosts = host;
  }
  return host;
}

int sora_client_fd(struct client *client) {
  int fd = sora_multi_ready(client) ? sora_pollset_fd(&client->set) : -1;
  if (fd >= 0 && !client->exported) {
    client->exported = 1;
    sora_client_announce(client, -1);
  }
  return fd;
}

int sora_client_is_busy(const struct client *client) {
  return client->live.first != NULL;
}

int sora_client_has_news(const struct client *client) {
  return client->ended.first != NULL || client->reported.first != NULL;
}

/* ---- requests, from outside ---- */

int sora_client_next_tag(struct client *client) {
  client->tag = client->tag % INT_MAX + 1;
  return client->tag;
}

int sora_client_start(struct client *client, struct request *request, const char *origin) {
  if (!client->open)
    return 0;
  const char *queue = origin != NULL ? origin : request->fetch.queue;
  struct host *host = queue != NULL ? host_of(client, request, queue) : NULL;
  if (request->settings == NULL)
    request->settings = sora_settings_share(client->settings);
  request->place.client = client;
  request->place.host = host;
  sora_places_append(&client->live, &request->place);
  client->counts.requests++;
  client->counts.in_flight++;
  if (request->outcome.kind != ERROR_NONE)
    sora_course_end(request);
  else if (host == NULL)
    sora_course_end_without_memory(request);
  else
    sora_course_enqueue(request, 0);
  return 1;
}

void sora_request_cancel(struct request *request, const char *why) {
  if (request->place.state == REQUEST_NEW || request->place.state == REQUEST_ENDED)
    return;
  sora_client_enter(request->place.client); /* in a forked child, this ends it */
  sora_course_break_off(request, ERROR_cancelled, why);
}

struct request *sora_client_next_ended(struct client *client) {
  struct place *place = client->ended.first;
  if (place == NULL)
    return NULL;
  sora_places_remove(place);
  sora_places_append(&client->told, place);
  return sora_request_at(place);
}

void sora_request_take(struct request *request) {
  if (request->place.state == REQUEST_ENDED)
    sora_places_remove(&request->place);
}

void sora_request_free(struct request *request) {
  if (request == NULL)
    return;
  sora_request_cancel(request, "collected");
  sora_request_take(request);
  sora_request_destroy(request);
}

/* ---- life ---- */

struct client *sora_client_make(void) {
  struct client *client = calloc(1, sizeof *client);
  if (client != NULL)
    sora_pollset_preinit(&client->set);
  return client;
}

int sora_client_configure(struct client *client, const struct settings *settings,
                          struct base_url *base, struct headers *headers) {
  client->base = *base;
  *base = (struct base_url){0};
  client->headers = headers;
  client->settings = sora_settings_new(settings);
  client->open = client->settings != NULL && sora_handle_obey_environment(client->settings);
  return client->open;
}

int sora_client_is_closed(const struct client *client) {
  return !client->open;
}

struct settings *sora_client_settings(const struct client *client) {
  return client->settings;
}

const struct base_url *sora_client_base(const struct client *client) {
  return &client->base;
}

struct headers *sora_client_headers(const struct client *client) {
  return client->headers;
}

void sora_client_count(const struct client *client, struct client_counts *counts) {
  *counts = client->counts;
  counts->queued = client->queued;
  counts->connections = client->connections.opened;
  counts->open_connections = (long)client->connections.count;
}

void sora_client_cancel(struct client *client, const char *why) {
  while (client->live.first != NULL)
    sora_course_break_off(sora_request_at(client->live.first), ERROR_cancelled, why);
}

/* Without the key, what a server said can't be told to anybody any more: it may quote the key. */
static void discard_answers(struct place_list *list) {
  for (struct place *place = list->first; place != NULL; place = place->next) {
    struct request *request = sora_request_at(place);
    if (request->outcome.kind != ERROR_cancelled)
      sora_request_fail(request, ERROR_cancelled, sora_client_closed);
    sora_request_forget(request);
  }
}

void sora_client_close(struct client *client) {
  sora_client_enter(client);
  client->open = 0;
  sora_client_start_over(client, sora_client_closed);
  sora_timers_free(&client->timers);
  discard_answers(&client->ended);
  discard_answers(&client->told);
  sora_headers_release(&client->headers);
  sora_url_free_base(&client->base);
  sora_settings_release(&client->settings);
}

void sora_client_free(struct client *client) {
  if (client == NULL)
    return;
  sora_client_close(client);
  while (sora_client_next_ended(client) != NULL)
    ;
  while (client->told.first != NULL) {
    struct place *place = client->told.first;
    sora_places_remove(place);
    place->client = NULL;
  }
  while (client->hosts != NULL) {
    struct host *host = client->hosts;
    client->hosts = host->next;
    curl_url_cleanup(host->site);
    free(host);
  }
  free(client);
}
