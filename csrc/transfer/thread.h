/*
 * Threads that nobody waits for. Neither Lua nor curl is known here.
 */
#ifndef SORA_THREAD_H
#define SORA_THREAD_H

/* Starts a thread that runs run(argument) and is deaf to the signals of the program. Nobody joins
   it. Returns 0, or an error of errno where there can be none. */
int sora_thread_start(void *(*run)(void *), void *argument);

#endif
