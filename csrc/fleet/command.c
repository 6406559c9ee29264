#include "fleet/command.h"

#include <stdlib.h>

void sora_commands_append(struct command_list *list, struct command *command) {
  command->next = NULL;
  command->in_list = 1;
  if (list->last != NULL)
    list->last->next = command;
  else
    list->first = command;
  list->last = command;
  list->count++;
}

struct command *sora_commands_take(struct command_list *list) {
  struct command *command = list->first;
  if (command == NULL)
    return NULL;
  list->first = command->next;
  if (list->first == NULL)
    list->last = NULL;
  list->count--;
  command->in_list = 0;
  return command;
}

void sora_command_drop_text(struct command *command) {
  if (command->text != NULL)
    redisFreeCommand(command->text);
  command->text = NULL;
}

void sora_command_destroy(struct command *command) {
  sora_command_drop_text(command);
  if (command->reply != NULL)
    freeReplyObject(command->reply);
  free(command);
}

struct command *sora_command_new(void) {
  return calloc(1, sizeof(struct command));
}

void sora_command_free(struct command *command) {
  if (command != NULL && command->in_list)
    command->orphan = 1;
  else if (command != NULL)
    sora_command_destroy(command);
}
