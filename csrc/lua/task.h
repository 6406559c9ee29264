/*
 * Tasks: a table that the decoder has made becomes one, with its metatable and with what it knows
 * outside of its fields. What the answer around it says is read in Lua (lua/sora/answers/).
 */
#ifndef SORA_TASK_H
#define SORA_TASK_H

#include <lua.h>

struct request_result;

/* Its name in the registry, and its __name. */
#define TASK_METATABLE "sora.task"

/* Makes the metatable of all tasks: beside its methods what tasks know outside of their fields
   (weak tables from the task to the id that was asked for, where its own is another, and to what
   the envelope said), and, set by Lua, `read`, which says what an answer is. Pushes nothing. */
void sora_task_open(lua_State *L);

/* Whether the table at `index` is a task, and no envelope: there is a word at `status`, and no
   object or list at `data`. What begins with a letter is no number, and not blank. `null` is the
   stack index of what stands for null, or 0. */
int sora_task_is_plain(lua_State *L, int index, int null);

/* Pushes the metatable for a task from the relay that was asked: the one in the uservalue of the
   client at that index, where that is of the same relay, or a new one. */
void sora_task_push_metatable(lua_State *L, int client, const struct request_result *result);

/* Makes a task of the table on top of the stack. `said` is the stack index of what its envelope
   says, 0: it had none. */
void sora_task_make(lua_State *L, int client, const struct request_result *result, int said);

#endif
