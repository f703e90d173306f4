#pragma once
// First: gRPC's headers define _GNU_SOURCE, and glibc's types must be the same in all our modules.
#include <features.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/status.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

// Macros that Swift cannot see.
static inline const uint8_t *wvs_slice_bytes(const grpc_slice *slice) { return GRPC_SLICE_START_PTR(*slice); }
static inline size_t wvs_slice_length(const grpc_slice *slice) { return GRPC_SLICE_LENGTH(*slice); }
