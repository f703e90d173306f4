import Testing

/// Tests of the programs as processes. One after the other: each has a whole stack to itself and measures freezes on a machine
/// with few cores.
@Suite(.serialized) struct Integration {}
