#include "lua/heap.h"

#include <math.h>
#include <string.h>

#include "compat.h"
#include "lua/metatable.h"

#define METATABLE "sora.heap"

enum {
  CAPACITY_FIRST = 16,
  CAPACITY_MOST = 1 << 26, /* a gigabyte of cells */
};

/* In the uservalue, a table, are the values by their slots, from 1 on. A slot that is free holds
   false, so that to put a value there takes no memory. Beside them: */
enum {
  BLOCK = 0,  /* the userdata in which the struct heap is */
  SLOTS = -1, /* the slots by the ids of their values, once somebody has asked for one */
};

struct cell {
  double key;
  int slot;  /* of the value with that key; behind the last of the heap, a free one */
  int place; /* of the cell that names the slot of this number */
};

/* A value keeps its slot while it is in the heap: nothing in Lua moves when cells do. */
struct heap {
  int count, capacity; /* when it is full, one twice as large takes its place */
  int has_ids;         /* SLOTS is kept */
  struct cell cells[]; /* cells[1 .. count] are the heap; the first is not used */
};

/* ---- cells ---- */

static void put(struct heap *heap, int place, double key, int slot) {
  heap->cells[place].key = key;
  heap->cells[place].slot = slot;
  heap->cells[slot].place = place;
}

static void sift_up(struct heap *heap, int place, double key, int slot) {
  for (; place > 1 && heap->cells[place / 2].key > key; place /= 2)
    put(heap, place, heap->cells[place / 2].key, heap->cells[place / 2].slot);
  put(heap, place, key, slot);
}

static void sift_down(struct heap *heap, int place, double key, int slot) {
  for (;;) {
    int child = place * 2;
    if (child > heap->count)
      break;
    if (child < heap->count && heap->cells[child + 1].key < heap->cells[child].key)
      child++;
    if (heap->cells[child].key >= key)
      break;
    put(heap, place, heap->cells[child].key, heap->cells[child].slot);
    place = child;
  }
  put(heap, place, key, slot);
}

static void remove_first(struct heap *heap) {
  int freed = heap->cells[1].slot;
  struct cell last = heap->cells[heap->count];
  put(heap, heap->count--, 0, freed);
  if (heap->count > 0)
    sift_down(heap, 1, last.key, last.slot);
}

/* ---- memory ---- */

static struct object *check(lua_State *L) {
  struct object *object = sora_object_at(L, 1, METATABLE);
  luaL_argcheck(L, object != NULL, 1, "heap expected");
  return object;
}

static size_t size_of(int capacity) {
  return sizeof(struct heap) + ((size_t)capacity + 1) * sizeof(struct cell);
}

/* Gives the heap that much room; its uservalue is at `values`. Code may run in here, and even make
   that room itself. Without memory it raises, and the heap stays as it was. */
static void grow(lua_State *L, struct object *object, int values, int capacity) {
  if (capacity > CAPACITY_MOST)
    luaL_error(L, "not enough memory");
  struct heap *heap = lua_newuserdata(L, size_of(capacity)); /* no code runs after this */
  const struct heap *old = object->content;
  if (old == NULL)
    *heap = (struct heap){0};
  else if (old->capacity < capacity)
    memcpy(heap, old, size_of(old->capacity));
  else {
    lua_pop(L, 1);
    return;
  }
  while (heap->capacity < capacity) {
    int slot = ++heap->capacity;
    put(heap, slot, 0, slot);
    lua_pushboolean(L, 0);
    lua_rawseti(L, values, slot);
  }
  lua_rawseti(L, values, BLOCK);
  object->content = heap;
}

int sora_heap_to_lua(lua_State *L) {
  lua_settop(L, 0);
  struct object *object = sora_object_new(L, METATABLE);
  lua_createtable(L, CAPACITY_FIRST, 1);
  grow(L, object, 2, CAPACITY_FIRST);
  lua_setuservalue(L, 1);
  return 1;
}

/* ---- ids ---- */

/* Pushes the id of the value at that index. */
static void push_id(lua_State *L, int value) {
  if (lua_istable(L, value)) {
    lua_pushvalue(L, lua_upvalueindex(1)); /* "id" */
    lua_rawget(L, value);
    if (lua_type(L, -1) == LUA_TSTRING)
      return;
  }
  luaL_error(L, "a value without an id");
}

/* Enters the slot of the value at index `value` under its id; 0: it has none any more. */
static void enter(lua_State *L, int values, int value, int slot) {
  lua_rawgeti(L, values, SLOTS);
  push_id(L, value);
  if (slot > 0)
    lua_pushinteger(L, slot);
  else
    lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Has the slots found by ids from now on. */
static void enter_all(lua_State *L, struct object *object, int values) {
  lua_newtable(L); /* no code runs after this */
  lua_rawseti(L, values, SLOTS);
  struct heap *heap = object->content;
  for (int i = 1; i <= heap->count; i++) {
    lua_rawgeti(L, values, heap->cells[i].slot);
    enter(L, values, lua_gettop(L), heap->cells[i].slot);
    lua_pop(L, 1);
  }
  heap->has_ids = 1;
}

/* ---- methods ---- */

/* heap:push(key, value). `value` is neither nil nor false. Where values are brought forward, each
   is a table with a text at `id`, which no other has and which stays the same. Without memory it
   raises, and the heap stays as it was. */
static int push(lua_State *L) {
  struct object *object = check(L);
  double key = luaL_checknumber(L, 2);
  luaL_argcheck(L, lua_toboolean(L, 3), 3, "value expected");
  lua_settop(L, 3);
  lua_getuservalue(L, 1);
  struct heap *heap = object->content;
  while (heap->count == heap->capacity) {
    grow(L, object, 4, heap->capacity * 2);
    heap = object->content;
  }
  int slot = heap->cells[heap->count + 1].slot;
  if (heap->has_ids)
    enter(L, 4, 3, slot);
  lua_pushvalue(L, 3);
  lua_rawseti(L, 4, slot);
  sift_up(heap, ++heap->count, key, slot);
  return 0;
}

/* heap:pop([most]) → the value with the least key, taken out, if that is at most `most` (any); else
   nil. Takes no memory. */
static int pop(lua_State *L) {
  struct heap *heap = check(L)->content;
  double most = luaL_optnumber(L, 2, HUGE_VAL);
  lua_settop(L, 1);
  if (heap->count == 0 || heap->cells[1].key > most) {
    lua_pushnil(L);
    return 1;
  }
  int slot = heap->cells[1].slot;
  lua_getuservalue(L, 1);
  lua_rawgeti(L, 2, slot);
  if (heap->has_ids)
    enter(L, 2, 3, 0);
  lua_pushboolean(L, 0);
  lua_rawseti(L, 2, slot);
  remove_first(heap);
  return 1;
}

/* heap:first() → the least key, or nil */
static int first(lua_State *L) {
  const struct heap *heap = check(L)->content;
  if (heap->count > 0)
    lua_pushnumber(L, heap->cells[1].key);
  else
    lua_pushnil(L);
  return 1;
}

/* heap:size() → how many values are in it */
static int size(lua_State *L) {
  const struct heap *heap = check(L)->content;
  lua_pushinteger(L, heap->count);
  return 1;
}

/* heap:advance(id, key) → the value with that id, brought forward to a key that is not above its
   own; nil: there is none of that id */
static int advance(lua_State *L) {
  struct object *object = check(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  double key = luaL_checknumber(L, 3);
  lua_settop(L, 3);
  lua_getuservalue(L, 1);
  const struct heap *before = object->content;
  if (!before->has_ids)
    enter_all(L, object, 4);
  struct heap *heap = object->content;
  lua_rawgeti(L, 4, SLOTS);
  lua_pushvalue(L, 2);
  lua_rawget(L, 5);
  if (lua_isnil(L, 6))
    return 1;
  int slot = (int)lua_tointeger(L, 6), place = heap->cells[slot].place;
  if (key < heap->cells[place].key)
    sift_up(heap, place, key, slot);
  lua_rawgeti(L, 4, slot);
  return 1;
}

void sora_heap_open(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg methods[] = {{"push", push},       {"pop", pop},   {"first", first},
                                     {"advance", advance}, {"size", size}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, none, none);
  lua_getfield(L, -1, "__index");
  lua_pushliteral(L, "id");
  luaL_setfuncs(L, methods, 1);
  lua_pop(L, 2);
}
