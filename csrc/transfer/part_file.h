/*
 * The file of a part on disk: its names, its lock, its place in the table of the parts that this
 * process has open. For part.c alone; must not know what the bytes are of.
 *
 * Nothing here follows a link or waits. Functions that fail say why in part->why.
 */
#ifndef SORA_PART_FILE_H
#define SORA_PART_FILE_H

#include <sys/stat.h>

#include "transfer/part.h"

/* Has part->why begin with the path and say what is wrong with it; the second, what errno means.
   Both return 0. */
int sora_part_fail(struct part *part, const char *path, const char *why);
int sora_part_fail_with(struct part *part, const char *path, int failure);

/* Opens the part of `target`, made if need be, and locks it. Returns 0 where that can't be done, or
   the target could not be replaced. */
int sora_part_file_open(struct part *part, const char *target);

/* Lets go of the file and frees its names. */
void sora_part_file_close(struct part *part);

/* In a child of the process that has opened the part: gives the descriptor up, if it is still ours,
   and nothing else, frees the names and returns 1. In that process itself: 0. */
int sora_part_file_give_up(struct part *part);

/* Looks at what the whole file will replace. `opened`: what stat says of the part, NULL: it is not
   there yet. Returns 0 where that can't be replaced. */
int sora_part_file_check_target(struct part *part, const struct stat *opened);

/* Whether the path of the part still leads to its file. */
int sora_part_file_has_its_name(const struct part *part);

#endif
