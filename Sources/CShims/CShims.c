#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wvs_shims.h"

int wvs_pipe2(int ends[2], int flags) { return pipe2(ends, flags); }
